"""Scores that cannot be judged are recognised, each by its own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from seatrial.evaluation.scores import logits_fault, scores_fault
from tests.builders import dataset, rows
from tests.unit.evaluation.examples import scores_of


def test_whole_scores_have_no_fault() -> None:
    assert scores_fault(dataset(), scores_of(dataset())) is None


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        (np.zeros((3, 3)), "shape (3, 3)"),
        (np.zeros((2, 2)), "shape (2, 2)"),
        (np.zeros(6), "shape (6,)"),
        (np.array([["a", "b"]] * 3), "type <U1"),
        (np.array([[0, np.nan], [0, 0], [np.inf, 0]]), "not finite on 2 of 3 rows"),
    ],
)
def test_a_fault_of_logits_says_what_is_wrong(logits: npt.NDArray[Any], words: str) -> None:
    assert words in str(logits_fault(logits, (3, 2), "test logits"))


def test_lengths_and_validation_logits_are_looked_at_too() -> None:
    source = dataset()
    good = scores_of(source)
    assert "token lengths" in str(scores_fault(source, replace(good, token_lengths=np.zeros(3, np.int64))))
    broken = np.full_like(good.validation_logits, np.nan)
    assert "validation logits" in str(scores_fault(source, replace(good, validation_logits=broken)))


def test_no_test_rows_is_a_fault_and_no_validation_rows_is_none() -> None:
    source = dataset()
    assert "no test rows" in str(scores_fault(replace(source, test=rows(0)), scores_of(source)))
    empty = replace(scores_of(source), validation_logits=np.zeros((0, 0), np.float32))
    assert scores_fault(replace(source, validation=rows(0)), empty) is None
