"""The model beside a rival."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.evaluation.comparison import compare
from seatrial.stats.paired import PairedCounts


def test_compare_counts_rows_only_one_of_both_got_right() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    model = np.array([0, 0, 1, 1, 0])
    rival = np.array([1, 0, 0, 1, 1])
    found = compare("rival", truth, model, rival, 0.95)
    assert found.paired == PairedCounts(5, worse=1, better=2)
    assert found.accuracy.ratio == 0.6
    assert found.model_ratio == pytest.approx(0.8)
