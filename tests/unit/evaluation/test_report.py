"""The files of an evaluation: whole, offline, the same every time, and safe whatever the texts say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seatrial.config import EvaluationSettings
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import StorageFullError
from seatrial.evaluation.evaluate import Evaluation, evaluate
from seatrial.evaluation.report import HTML_FILE, JSON_FILE, write_report
from tests.builders import dataset
from tests.limits import file_size_limit
from tests.unit.evaluation.examples import logits_of, scores_of, spread
from tests.unit.reports.html_check import check_offline, check_well_formed, read

SETTINGS = EvaluationSettings(slice_rows=20, baseline=False)
HOSTILE = '<script src="http://evil.example/x.js">alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    settings = SETTINGS.model_copy(update={"baseline": True})
    return evaluate("tiny@2", dataset(), scores_of(dataset(), wrong=12, production_wrong=20), settings)


def hostile() -> Dataset:
    """Every text, label, domain and name tries to break out of the page."""
    source = dataset()
    test = replace(source.test, texts=(HOSTILE,) * 120, ids=(HOSTILE,) * 120, domains=(HOSTILE, "\ud800$a_b$\x00") * 60)
    return replace(source, name=HOSTILE, labels=(f"{HOSTILE}0", "正面 --><b>"), test=test)


def test_the_report_is_two_files_that_open_offline(evaluation: Evaluation, tmp_path: Path) -> None:
    path = write_report(evaluation, tmp_path / "new" / "place")
    assert path.name == HTML_FILE
    assert sorted(file.name for file in path.parent.iterdir()) == [HTML_FILE, JSON_FILE]
    html = path.read_text("utf-8")
    check_well_formed(html)
    check_offline(html)
    assert json.loads((path.parent / JSON_FILE).read_text("utf-8"))["subject"] == "tiny@2"


def test_the_page_shows_every_part(evaluation: Evaluation, tmp_path: Path) -> None:
    html = write_report(evaluation, tmp_path).read_text("utf-8")
    headings = ["Findings", "Against the alternatives", "Confusion", "Calibration", "Classes", "Slices"]
    for heading in [*headings, "Worst mistakes", "Data"]:
        assert f"<h2>{heading}</h2>" in html
    assert all(finding.check in html for finding in evaluation.findings)
    assert html.count("<svg") == 4
    assert "TF-IDF + logistic regression" in html
    assert "tiny@1" in html
    assert dataset().sha256 in html


def test_equal_evaluations_give_equal_files(evaluation: Evaluation, tmp_path: Path) -> None:
    first, second = write_report(evaluation, tmp_path / "1"), write_report(evaluation, tmp_path / "2")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_name(JSON_FILE).read_bytes() == second.with_name(JSON_FILE).read_bytes()


def test_hostile_texts_and_names_are_shown_not_run(tmp_path: Path) -> None:
    source = hostile()
    found = evaluate(f"tiny@2 {HOSTILE}", source, scores_of(source, wrong=30, production_wrong=0), SETTINGS)
    html = write_report(found, tmp_path).read_text("utf-8")
    check_well_formed(html)
    assert not {"script", "img"} & read(html).tags
    assert "&lt;script src=" in html
    assert "\x00" not in html
    json.loads((tmp_path / JSON_FILE).read_text("utf-8"))


def test_an_evaluation_that_could_not_judge_says_why(tmp_path: Path) -> None:
    broken = replace(scores_of(dataset()), logits=np.full((120, 2), np.nan, np.float32))
    html = write_report(evaluate("tiny@2", dataset(), broken, SETTINGS), tmp_path).read_text("utf-8")
    check_well_formed(html)
    assert "not finite on 120 of 120 rows" in html
    assert "<svg" not in html
    assert "<h2>Data</h2>" in html


def test_a_perfect_model_has_no_mistakes_to_show(tmp_path: Path) -> None:
    html = write_report(evaluate("tiny@2", dataset(), scores_of(dataset()), SETTINGS), tmp_path).read_text("utf-8")
    assert "Every test row was answered rightly." in html


def test_many_labels_and_slices_are_listed_not_drawn(tmp_path: Path) -> None:
    source = dataset()
    labels = tuple(f"intent {i}" for i in range(30))
    test = replace(source.test, labels=np.arange(120) % 30, domains=tuple(f"d{i % 50}" for i in range(120)))
    source = replace(source, labels=labels, test=test, validation=replace(source.validation, labels=np.arange(40) % 30))
    scores = replace(
        scores_of(dataset()),
        logits=logits_of(test.labels, spread(120, 10), labels=30),
        validation_logits=logits_of(source.validation.labels, spread(40, 4), labels=30),
    )
    html = write_report(evaluate("tiny@2", source, scores, SETTINGS), tmp_path).read_text("utf-8")
    check_well_formed(html)
    assert "The 20 most frequent confusions." in html
    assert "smaller slices stand in evaluation.json only" in html
    assert html.count("<svg") == 3


def test_a_full_disk_leaves_the_old_report_whole(evaluation: Evaluation, tmp_path: Path) -> None:
    path = write_report(evaluation, tmp_path)
    before = path.read_bytes()
    with file_size_limit(1000), pytest.raises(StorageFullError):
        write_report(evaluation, tmp_path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [HTML_FILE, JSON_FILE]
