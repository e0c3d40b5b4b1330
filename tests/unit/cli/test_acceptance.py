"""What `seatrial test` prints and how it ends; what it does: tests/unit/flows/test_acceptance.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.acceptance.judgement import CHECKS
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Alias, ModelVersion
from seatrial.flows.acceptance import Acceptance
from tests.builders import SIGNATURE
from tests.handmade import MODEL, write_project
from tests.unit.cli.conftest import Command

REF = f"{MODEL}@1/onnx-fp32"
CAPACITY = [{"clients": 2, "texts_per_s": 321.4, "p50_ms": 5.0, "p99_ms": 9.0}]


def ended(verdict: Verdict, earlier: tuple[Finding, ...] = ()) -> Acceptance:
    findings = tuple(Finding(check, REF, verdict, "A test says so.", samples=1) for check in CHECKS)
    against = tuple(finding for finding in (*findings, *earlier) if finding.verdict is not Verdict.PASS)
    document = {"findings": [f.to_json() for f in findings], "capacity": CAPACITY, "settings": {"clients": 2}}
    roles = () if against else (Alias.STAGING,)
    version = ModelVersion(MODEL, 1, SIGNATURE)
    return Acceptance(version, "onnx-fp32", findings, against, document, roles, Path("acceptance.html"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def prepared(monkeypatch: pytest.MonkeyPatch, made: Acceptance) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def accept(workshop: Any, ref: object, progress: object, *, quick: bool) -> Acceptance:
        asked.append({"ref": str(ref), "quick": quick, "artifact": workshop.settings.serving.artifact})
        return made

    monkeypatch.setattr("seatrial.flows.acceptance.accept", accept)
    return asked


def test_all_that_passes_is_code_0(seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = prepared(monkeypatch, ended(Verdict.PASS))
    printed = seatrial("test", f"{MODEL}@1", "-C", project)
    assert printed.code == 0
    assert "tiny@1 passes; it has staging." in printed.out
    assert "321" in printed.out
    document = seatrial("test", f"{MODEL}@1", "--quick", "--artifact", "onnx-int8", "-C", project, "--json")
    found = json.loads(document.out)
    assert (found["passed"], found["roles"], found["capacity"]) == (True, ["staging"], CAPACITY)
    assert [finding["check"] for finding in found["findings"]] == list(CHECKS)
    assert asked == [
        {"ref": f"{MODEL}@1", "quick": False, "artifact": "onnx-fp32"},
        {"ref": f"{MODEL}@1", "quick": True, "artifact": "onnx-int8"},
    ]


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL])
def test_anything_else_is_code_1(
    seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch, verdict: Verdict
) -> None:
    prepared(monkeypatch, ended(verdict))
    printed = seatrial("test", f"{MODEL}@1", "-C", project)
    assert printed.code == 1
    assert "tiny@1 does not pass; it has no role." in printed.out


def test_what_an_earlier_step_found_is_shown(seatrial: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = Finding("evaluation.calibration", f"{MODEL}@1", Verdict.FAIL, "Too sure of itself.", samples=9)
    prepared(monkeypatch, ended(Verdict.PASS, (earlier,)))
    printed = seatrial("test", f"{MODEL}@1", "-C", project)
    assert printed.code == 1
    assert "Too sure of itself." in printed.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([f"{MODEL}@9"], "no model"), ([f"{MODEL}@latest"], "names no version"), ([MODEL, "--artifact", "x"], "no")],
)
def test_a_mistake_is_code_2_and_a_sentence(seatrial: Command, project: Path, arguments: list[str], words: str) -> None:
    printed = seatrial("test", *arguments, "-C", project)
    assert (printed.code, printed.out) == (2, "")
    assert words in printed.err
