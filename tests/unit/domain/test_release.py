from __future__ import annotations

import pytest

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import Action, decide_first_release

VERSION = Finding("evaluation.accuracy_floor", "m@1", Verdict.PASS, "Good.")
ARTIFACT = Finding("conversion.flip_rate", "m@1/onnx-fp32", Verdict.PASS, "Equal.")


def test_all_pass_promotes_and_carries_every_finding() -> None:
    decision = decide_first_release("m@1/onnx-fp32", [VERSION], [ARTIFACT])
    assert decision.action is Action.PROMOTE
    assert decision.findings == (VERSION, ARTIFACT)


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL])
@pytest.mark.parametrize("where", ["version", "artifact"])
def test_anything_but_pass_holds_and_is_named(verdict: Verdict, where: str) -> None:
    bad = Finding("some.check", "m@1", verdict, "No.")
    of_version, of_artifact = ([VERSION, bad], [ARTIFACT]) if where == "version" else ([VERSION], [bad, ARTIFACT])
    decision = decide_first_release("m@1/onnx-fp32", of_version, of_artifact)
    assert decision.action is Action.HOLD
    assert f"some.check is {verdict.word}" in decision.reason


@pytest.mark.parametrize(
    ("of_version", "of_artifact", "missing"), [([], [ARTIFACT], "evaluation"), ([VERSION], [], "conversion")]
)
def test_no_findings_are_never_success(of_version: list[Finding], of_artifact: list[Finding], missing: str) -> None:
    decision = decide_first_release("m@1/onnx-fp32", of_version, of_artifact)
    assert decision.action is Action.HOLD
    assert f"no {missing} findings" in decision.reason
