"""Rare events in experiments."""

from __future__ import annotations

import pytest

from seatrial.stats.rare_events import log_difference
from seatrial.stats.rate_ratio import ArmEvents


def test_both_directions_are_evidence() -> None:
    assert log_difference([ArmEvents(0.5, 200, 100)]) > 3.0
    assert log_difference([ArmEvents(0.5, 100, 200)]) == pytest.approx(log_difference([ArmEvents(0.5, 200, 100)]))


def test_epochs_with_other_shares_are_summed() -> None:
    """The same events under a share that explains them are no evidence."""
    assert log_difference([ArmEvents(0.5, 50, 50), ArmEvents(0.9, 900, 100)]) < 0
    assert log_difference([ArmEvents(0.5, 50, 50), ArmEvents(0.5, 900, 100)]) > 3.0
