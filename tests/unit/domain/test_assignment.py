from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.assignment import Assignment, Intake
from seatrial.domain.errors import ExperimentPlanError
from seatrial.domain.experiment import Side

UNITS = [f"user-{number}" for number in range(2000)]


def assignment(*epochs: tuple[float, float], control: int = 1, treatment: int = 2) -> Assignment:
    return Assignment("e-1", "m", control, treatment, tuple(Intake(*epoch) for epoch in epochs))


@st.composite
def epochs(draw: st.DrawFn) -> list[tuple[float, float]]:
    ends = sorted(draw(st.lists(st.integers(1, 100), min_size=2, max_size=5, unique=True)))
    return [(float(end), float(draw(st.integers(1, 99)))) for end in ends]


@given(epochs())
def test_no_epoch_moves_a_unit_that_takes_part(shares: list[tuple[float, float]]) -> None:
    known: dict[str, object] = {}
    for count in range(1, len(shares) + 1):
        for unit in UNITS[:60]:
            exposure = assignment(*shares[:count]).exposure_of(unit)
            assert known.setdefault(unit, exposure) == exposure
            if exposure is None:
                del known[unit]


def test_each_epoch_has_its_own_share_of_the_units_it_takes_in() -> None:
    seen = [assignment((40.0, 50.0), (100.0, 20.0)).exposure_of(unit) for unit in UNITS]
    of_epoch = [[one for one in seen if one is not None and one.epoch == number] for number in (0, 1)]
    assert [len(of) / len(UNITS) for of in of_epoch] == pytest.approx([0.4, 0.6], abs=0.04)
    treated = [sum(one.arm is Side.TREATMENT for one in of) / len(of) for of in of_epoch]
    assert treated == pytest.approx([0.5, 0.2], abs=0.05)


def test_the_split_has_the_shares_that_come_of_the_epochs_and_others_get_the_control() -> None:
    small = assignment((20.0, 25.0))
    assert small.split().percents == ((2, 5.0), (1, 95.0))
    assert small.version_of(None) == 1
    answered = [small.version_of(small.exposure_of(unit)) for unit in UNITS]
    assert answered.count(2) / len(UNITS) == pytest.approx(0.05, abs=0.02)


def test_what_was_written_is_read_and_goes_on_only_by_more_epochs() -> None:
    first, second = assignment((20.0, 50.0)), assignment((20.0, 50.0), (60.0, 10.0))
    assert Assignment.from_json(second.to_json()) == second
    assert second.continues(first)
    assert not first.continues(second)
    assert not assignment((20.0, 40.0), (60.0, 10.0)).continues(first)
    assert not assignment((20.0, 50.0), treatment=3).continues(first)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "first epoch"),
        ([(0.0, 50.0)], "takes new units in"),
        ([(20.0, 50.0), (20.0, 50.0)], "takes new units in"),
        ([(100.0, 50.0), (120.0, 50.0)], "between 0 and 100"),
        ([(50.0, 0.0)], "one arm empty"),
        ([(50.0, 100.0)], "one arm empty"),
        ([(50.0, float("nan"))], "impossible"),
        ([(0.01, 1.0)], "0 %"),
    ],
)
def test_impossible_epochs_are_refused(wrong: list[tuple[float, float]], words: str) -> None:
    with pytest.raises(ExperimentPlanError, match=words):
        assignment(*wrong)


def test_a_version_against_itself_and_foreign_documents_are_refused() -> None:
    with pytest.raises(ExperimentPlanError, match="itself"):
        assignment((50.0, 50.0), treatment=1)
    with pytest.raises(ExperimentPlanError, match="no assignment"):
        Assignment.from_json({"experiment": "e"})
