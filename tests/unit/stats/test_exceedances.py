"""Latency by exceedances of frozen thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.stats.exceedances import frozen_thresholds, histogram_quantile, log_slower_by_start, share_above
from seatrial.stats.rate_ratio import log_harm_by_start


def test_a_histogram_answers_as_the_sample_does() -> None:
    sample = np.random.default_rng(0).uniform(0, 10, 100_000)
    edges = [1.0, 2.0, 5.0, 10.0]
    counts = [*np.histogram(sample, [0.0, *edges])[0].tolist(), 0]
    for quantile in (0.05, 0.5, 0.9):
        assert histogram_quantile(edges, counts, quantile) == pytest.approx(np.quantile(sample, quantile), abs=0.1)
        assert share_above(edges, counts, 10 * quantile) == pytest.approx(1 - quantile, abs=0.01)


def test_what_lies_above_all_edges_is_at_the_last() -> None:
    assert histogram_quantile([1.0, 2.0], [0, 0, 5], 0.5) == 2.0
    assert share_above([1.0, 2.0], [0, 0, 5], 1.5) == 1.0


@pytest.mark.parametrize("counts", [[0, 0, 0], [1, 2], [1, -1, 3]])
def test_a_histogram_that_is_none_is_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="histogram"):
        histogram_quantile([1.0, 2.0], counts, 0.5)


def test_quantiles_on_one_edge_give_one_threshold() -> None:
    assert frozen_thresholds([1.0, 2.0], [100, 0, 0], lambda _: 1.0) == (1.0,)


def test_the_evidence_is_the_mean_over_thresholds() -> None:
    challenger, champion = np.array([[60], [30]]), np.array([[20], [5]])
    each = [float(log_harm_by_start(challenger[row], champion[row], (0.5,))[0]) for row in range(2)]
    assert np.exp(log_slower_by_start(challenger, champion, (0.5,))[0]) == pytest.approx(np.exp(each).mean())
