"""What each statistic must give, to 1e-9: values that two separate implementations agreed on."""

from __future__ import annotations

import pytest

from benchmarks.statistics import check_values


@pytest.mark.parametrize(("name", "computed", "expected"), check_values(), ids=[name for name, *_ in check_values()])
def test_a_check_value(name: str, computed: float, expected: float) -> None:
    assert computed == pytest.approx(expected, abs=1e-9), name
