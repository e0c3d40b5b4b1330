"""The report shows what was found, with a picture, and stands also where little could be measured."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.acceptance.figures import CurvePoint
from seatrial.acceptance.judgement import CHECKS
from seatrial.acceptance.report import trial_document, write_report
from seatrial.acceptance.trial import Trial
from seatrial.domain.evidence import Finding, Verdict
from tests.trials import REF, SHORT, load_result
from tests.unit.reports.html_check import check_offline, check_well_formed


def trial(verdict: Verdict, curve: tuple[CurvePoint, ...] = ()) -> Trial:
    value = None if verdict is Verdict.ERROR else 12.5
    findings = tuple(Finding(check, REF, verdict, "A test says so.", value, 20.0, 100) for check in CHECKS)
    return Trial(REF, SHORT, findings, curve)


def test_a_trial_becomes_a_page_and_a_document(tmp_path: Path) -> None:
    curve = tuple(CurvePoint(clients, load_result({"200": 300 * clients}, 9.0 * clients)) for clients in (1, 2, 4))
    page = write_report(trial(Verdict.PASS, curve), tmp_path)
    html, document = page.read_text("utf-8"), json.loads((tmp_path / "acceptance.json").read_text("utf-8"))
    check_well_formed(html)
    check_offline(html)
    for words in ("Deployment test", REF, "All 11 checks passed.", "<svg", "1,200", "golden_rows"):
        assert words in html, words
    assert document == json.loads(json.dumps(trial_document(trial(Verdict.PASS, curve))))
    assert [place["texts_per_s"] for place in document["capacity"]] == [300, 600, 1200]
    assert document["verdict"] == "pass"
    assert document["settings"]["rate_per_s"] == SHORT.rate_per_s


def test_a_trial_that_measured_nothing_has_a_page_too(tmp_path: Path) -> None:
    html = write_report(trial(Verdict.ERROR), tmp_path).read_text("utf-8")
    check_well_formed(html)
    assert "11 of 11 checks did not pass" in html
    assert "<svg" not in html
