"""The evaluation as a whole: all gates, honest errors, figures that are JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from seatrial.config import EvaluationSettings
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.progress import SILENT, Step
from seatrial.evaluation.evaluate import Evaluation, evaluate
from seatrial.evaluation.scores import Scores
from tests.builders import dataset, rows
from tests.unit.evaluation.examples import logits_of, scores_of, spread

SETTINGS = EvaluationSettings(slice_rows=20, baseline=False)
OWN_CHECKS = [
    "evaluation.scores",
    "evaluation.accuracy_floor",
    "evaluation.f1_floor",
    "evaluation.calibration",
    "evaluation.slice_floor",
]


def verdicts(evaluation: Evaluation) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in evaluation.findings}


def test_a_good_model_passes_every_check_it_is_asked() -> None:
    source = dataset(test=400)
    # Every second training label is wrong, so that the baseline is beatable.
    noisy = source.train.labels.copy()
    noisy[::2] = 1 - noisy[::2]
    source = replace(source, train=replace(source.train, labels=noisy))
    scores = scores_of(source, wrong=20, production_wrong=60)
    found = evaluate("tiny@2", source, scores, SETTINGS.model_copy(update={"baseline": True}))
    assert list(verdicts(found)) == [
        *OWN_CHECKS,
        "evaluation.beats_baseline",
        "evaluation.not_worse_than_production",
    ]
    assert worst(found.findings) is Verdict.PASS
    assert {finding.subject for finding in found.findings} == {"tiny@2"}


def test_a_bad_model_fails_every_gate() -> None:
    source = dataset(test=400)
    confident = replace(
        scores_of(source, production_wrong=10), logits=logits_of(source.test.labels, spread(400, 200), margin=9.0)
    )
    found = verdicts(evaluate("tiny@2", source, confident, SETTINGS.model_copy(update={"baseline": True})))
    assert found.pop("evaluation.scores") is Verdict.PASS
    assert set(found.values()) == {Verdict.FAIL}
    assert len(found) == 6


def test_checks_that_were_not_asked_for_leave_no_finding() -> None:
    found = evaluate("tiny@2", dataset(), scores_of(dataset()), SETTINGS)
    assert list(verdicts(found)) == OWN_CHECKS
    assert "baseline" not in found.report
    assert "production" not in found.report


@pytest.mark.parametrize(
    "broken",
    [
        replace(scores_of(dataset()), logits=np.full((120, 2), np.nan, np.float32)),
        replace(scores_of(dataset()), logits=np.zeros((120, 3), np.float32)),
        replace(scores_of(dataset()), logits=np.zeros((119, 2), np.float32)),
        replace(scores_of(dataset()), validation_logits=np.full((40, 2), np.inf, np.float32)),
        replace(scores_of(dataset()), token_lengths=np.zeros(1, np.int64)),
    ],
    ids=["nan", "labels", "rows", "validation", "lengths"],
)
def test_scores_that_cannot_be_read_are_an_error_and_nothing_else_is_judged(broken: Scores) -> None:
    found = evaluate("tiny@2", dataset(), broken, SETTINGS)
    assert verdicts(found) == {"evaluation.scores": Verdict.ERROR}
    assert found.temperature == 1.0
    assert "accuracy" not in found.report
    assert found.report["findings"][0]["verdict"] == "error"


def test_no_test_rows_is_an_error() -> None:
    assert verdicts(evaluate("tiny@2", replace(dataset(), test=rows(0)), scores_of(dataset()), SETTINGS)) == {
        "evaluation.scores": Verdict.ERROR
    }


def test_broken_logits_of_production_leave_only_that_comparison_unmeasured() -> None:
    scores = replace(scores_of(dataset(), production_wrong=0), production_logits=np.full((120, 2), np.nan, np.float32))
    found = evaluate("tiny@2", dataset(), scores, SETTINGS)
    assert verdicts(found).pop("evaluation.not_worse_than_production") is Verdict.ERROR
    assert verdicts(found)["evaluation.accuracy_floor"] is Verdict.PASS
    assert "production" not in found.report


def test_a_baseline_that_cannot_be_trained_is_an_error_not_a_crash() -> None:
    source = replace(dataset(), train=replace(rows(50), labels=np.zeros(50, np.int64)))
    found = evaluate("tiny@2", source, scores_of(source), SETTINGS.model_copy(update={"baseline": True}))
    assert verdicts(found)["evaluation.beats_baseline"] is Verdict.ERROR
    assert "one class" in found.findings[-1].reason


def test_the_report_is_json_and_holds_the_findings() -> None:
    found = evaluate("tiny@2", dataset(), scores_of(dataset(), wrong=9, production_wrong=3), SETTINGS)
    document = json.loads(json.dumps(found.report, allow_nan=False))
    assert tuple(map(Finding.from_json, document["findings"])) == found.findings
    assert document["accuracy"]["correct"] == 111
    assert document["calibration"]["temperature"] == found.temperature
    assert document["dataset"]["splits"]["test"]["rows"] == 120
    assert np.trace(document["confusion"]) == 111
    assert document["production"]["paired"] == {"rows": 120, "worse": 6, "better": 0}


def test_mistakes_are_the_most_confident_errors_at_most_twenty() -> None:
    source = dataset()
    right = spread(120, 30)
    logits = logits_of(source.test.labels, right) * np.linspace(1, 2, 120, dtype=np.float32)[:, None]
    mistakes = evaluate("tiny@2", source, replace(scores_of(source), logits=logits), SETTINGS).report["mistakes"]
    wrong = [source.test.ids[row] for row in np.flatnonzero(~right)]
    assert [mistake["id"] for mistake in mistakes] == wrong[::-1][:20]
    assert all(mistake["true"] != mistake["answered"] for mistake in mistakes)


def test_the_temperature_comes_from_the_validation_rows_alone() -> None:
    source = dataset()
    hot = replace(scores_of(source), validation_logits=5 * scores_of(source).validation_logits)
    plain = evaluate("tiny@2", source, scores_of(source), SETTINGS)
    scaled = evaluate("tiny@2", source, hot, SETTINGS)
    assert scaled.temperature == pytest.approx(5 * plain.temperature, rel=1e-3)
    assert scaled.report["accuracy"] == plain.report["accuracy"]


def test_without_validation_rows_the_temperature_is_one() -> None:
    source = replace(dataset(), validation=rows(0))
    scores = replace(scores_of(dataset()), validation_logits=np.zeros((0, 0), np.float32))
    assert evaluate("tiny@2", source, scores, SETTINGS).temperature == 1.0


def test_many_labels_some_of_them_absent() -> None:
    labels = tuple(f"intent {i}" for i in range(40))
    test = replace(rows(120), labels=np.arange(120) % 39)
    source = replace(dataset(), labels=labels, test=test, validation=replace(rows(40), labels=np.arange(40)))
    scores = replace(
        scores_of(dataset()),
        logits=logits_of(test.labels, spread(120, 0), labels=40, margin=9.0),
        validation_logits=logits_of(source.validation.labels, spread(40, 0), labels=40),
    )
    found = evaluate("tiny@2", source, scores, SETTINGS)
    assert verdicts(found)["evaluation.f1_floor"] is Verdict.INCONCLUSIVE  # the fortieth label has no row
    assert found.report["macro_f1"] == 1.0
    json.dumps(found.report, allow_nan=False)


def test_the_slow_part_reports_its_progress() -> None:
    titles = []

    class Listener:
        @contextlib.contextmanager
        def step(self, title: str, total: int | None = None) -> Iterator[Step]:
            titles.append(title)
            with SILENT.step(title, total) as step:
                yield step

    evaluate("tiny@2", dataset(), scores_of(dataset()), EvaluationSettings(), progress=Listener())
    assert titles == ["baseline"]
