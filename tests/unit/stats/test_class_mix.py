"""Another mix of classes, in either direction."""

from __future__ import annotations

import pytest

from seatrial.stats.class_mix import log_other_mix_by_start


@pytest.mark.parametrize(("challenger", "alarm"), [(600, False), (450, True), (750, True)])
def test_more_and_fewer_of_a_class_are_noticed(challenger: int, alarm: bool) -> None:
    found = float(log_other_mix_by_start([[challenger], [1000 - challenger]], [[600], [400]], (0.5,))[0])
    assert (found > 3.0) is alarm
