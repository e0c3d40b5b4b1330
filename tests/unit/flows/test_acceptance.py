"""The deployment test moves `staging`, and nothing else does: a real process, real findings, the real record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.domain.errors import RefusedArtifactError, UnknownArtifactError, UnknownVersionError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.progress import SILENT
from seatrial.flows import record
from seatrial.flows.acceptance import Acceptance, accept
from seatrial.flows.deploy import convert
from seatrial.flows.develop import develop
from seatrial.loadgen.usage import descendants
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.handmade import MODEL, write_project
from tests.houses import enrol, evaluation, make_artifact, open_workshop, promote
from tests.waiting import until

ROOT = Path(__file__).parents[3]
SETTINGS = """
[serving]
port = 8080  # the test takes ports of its own: this one may be taken
max_queue_texts = 128

[acceptance]
rate_per_s = 200.0
window_s = 0.6
clients = 2
texts_per_s_floor = 1.0
p99_limit_ms = 10000.0
curve_clients = [1]
curve_window_s = 0.3
memory_requests = 200
golden_rows = 8
overload_s = 1.0
"""


def ref(text: str) -> VersionRef:
    return VersionRef.parse(text)


def tried(workshop: Workshop, **overrides: object) -> Acceptance:
    changed = open_workshop(workshop.settings.project_dir, workshop.registry, overrides)
    try:
        return accept(changed, ref(f"{MODEL}@2"), SILENT)
    finally:
        changed.close()


@pytest.fixture
def house(tmp_path: Path) -> Workshop:
    """Version 1 in production, version 2 the candidate, both converted."""
    workshop = open_workshop(write_project(tmp_path, more=SETTINGS))
    develop(workshop, SILENT)
    convert(workshop, ref(f"{MODEL}@1"), (), SILENT)
    later = open_workshop(write_project(tmp_path, seed=1, more=SETTINGS), workshop.registry)
    develop(later, SILENT)
    convert(later, ref(f"{MODEL}@2"), (), SILENT)
    workshop.close()
    return later


def test_a_version_is_staged_by_a_test_that_passes_and_leaves_by_one_that_does_not(
    house: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    passed = tried(house)
    assert [f.reason for f in passed.findings if f.verdict is not Verdict.PASS] == []
    assert (passed.passed, passed.roles) == (True, (Alias.STAGING,))
    assert house.store.aliases(MODEL) == {Alias.PRODUCTION: 1, Alias.STAGING: 2}
    assert house.registry.aliases(MODEL)[Alias.STAGING] == 2
    assert passed.report == house.settings.home / "reports" / MODEL / "2" / "acceptance.html"
    stored = json.loads(passed.report.with_suffix(".json").read_text("utf-8"))
    assert [place["clients"] for place in stored["capacity"]] == [1, 2]
    failed = tried(house, **{"acceptance.memory_limit_bytes": 1})
    assert [f.check for f in failed.against] == ["acceptance.memory_at_rest"]
    assert (failed.passed, failed.roles) == (False, ())
    assert Alias.STAGING not in house.store.aliases(MODEL)
    recorded = [
        entry.payload["verdict"]
        for entry in house.store.entries(MODEL, kind=EntryKind.FINDING, version=2)
        if entry.payload["check"] == "acceptance.memory_at_rest"
    ]
    assert recorded == ["pass", "fail"], "the ledger keeps both"
    latest = {f.check: f.verdict for f in house.store.findings(MODEL, 2)}
    assert latest["acceptance.memory_at_rest"] is Verdict.FAIL
    house.close()


def test_what_an_earlier_step_found_counts_too(house: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    version = house.registry.get_version(MODEL, 2)
    record.found(house, version, [evaluation(version, Verdict.FAIL)])
    ended = tried(house)
    assert {f.verdict for f in ended.findings} == {Verdict.PASS}
    assert [f.check for f in ended.against] == ["evaluation.accuracy_floor"]
    assert (ended.passed, ended.roles) == (False, (Alias.CANDIDATE,))
    house.close()


def test_what_cannot_be_served_is_not_tested(workshop: Workshop) -> None:
    make_artifact(workshop, enrol(workshop, 1.0))
    promote(workshop, 1)
    make_artifact(workshop, enrol(workshop, 0.5), verdict=Verdict.FAIL)
    enrol(workshop, 0.25)
    for asked, error in (("@9", UnknownVersionError), ("@2", RefusedArtifactError), ("@3", UnknownVersionError)):
        with pytest.raises(error):
            accept(workshop, ref(f"{MODEL}{asked}"), SILENT)
    other = open_workshop(workshop.settings.project_dir, workshop.registry, {"serving.artifact": "onnx-int8"})
    with pytest.raises(UnknownArtifactError, match="seatrial convert"):
        accept(other, ref(f"{MODEL}@1"), SILENT)
    other.close()
    assert workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 1


_WHOLE_LIFE = f"""
import sys
from pathlib import Path
from seatrial.domain.model import VersionRef
from seatrial.domain.progress import SILENT
from seatrial.flows.acceptance import accept
from seatrial.flows.deploy import convert
from seatrial.flows.develop import develop
from tests.houses import open_workshop

workshop = open_workshop(Path(sys.argv[1]))
develop(workshop, SILENT)
convert(workshop, VersionRef.parse("{MODEL}@1"), (), SILENT)
accept(workshop, VersionRef.parse("{MODEL}@1"), SILENT)
"""


def test_ctrl_c_leaves_nothing_running_and_nothing_on_record(tmp_path: Path) -> None:
    directory = write_project(tmp_path, more=SETTINGS)
    process = subprocess.Popen(
        [sys.executable, "-c", _WHOLE_LIFE, str(directory)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        until(lambda: len(descendants(process.pid)) > 1, process)
        children = [pid for pid in descendants(process.pid) if pid != process.pid]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    after = open_workshop(directory)
    assert not any(finding.check.startswith("acceptance.") for finding in after.store.findings(MODEL, 1))
    after.close()
