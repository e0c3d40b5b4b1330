"""Which version answers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError, ModelNotServedError
from seatrial.domain.release_counters import Arm, ReleasePlace
from seatrial.domain.traffic import TrafficSplit
from seatrial.serving.splitting import RunningSplit, Served, pick_variant


@dataclass(frozen=True)
class Loaded:
    model: str
    version: str = "1"


def serving(*variants: Loaded) -> Served[Loaded]:
    served: Served[Loaded] = Served()
    for variant in variants:
        served = served.adding(variant)
    return served


def picked(served: Served[Loaded], model: str | None, version: str | None, default: str) -> Loaded:
    return pick_variant(served, model, version, default, "ann").variant


def test_the_only_model_answers_when_none_is_named() -> None:
    only = Loaded("a")
    assert picked(serving(only), None, None, "") is only
    assert picked(serving(only), "a", None, "") is only


def test_of_several_models_the_default_or_the_named_one_answers() -> None:
    a, b = Loaded("a"), Loaded("b")
    assert picked(serving(a, b), None, None, "b") is b
    assert picked(serving(a, b), "a", None, "b") is a
    with pytest.raises(InvalidRequestError, match="a, b"):
        picked(serving(a, b), None, None, "")


def test_of_several_versions_the_first_has_the_traffic_until_it_is_switched() -> None:
    two, one = Loaded("a", "2"), Loaded("a", "1")
    served = serving(two, one)
    assert picked(served, None, None, "") is two
    assert picked(served, "a", "1", "") is one
    switched = served.switched(one)
    assert picked(switched, None, None, "") is one
    assert picked(switched, None, "2", "") is two
    assert (switched.has_traffic(one), switched.has_traffic(two), served.has_traffic(two)) == (True, False, True)


def test_a_version_that_is_gone_is_not_picked() -> None:
    two, one = Loaded("a", "2"), Loaded("a", "1")
    served = serving(two, one).without(one)
    with pytest.raises(ModelNotServedError, match=r"'1' of a .*only 2"):
        picked(served, "a", "1", "")


@pytest.mark.parametrize(("model", "default"), [("c", ""), (None, "c")])
def test_a_model_that_is_not_loaded_is_named_together_with_those_that_are(model: str | None, default: str) -> None:
    with pytest.raises(ModelNotServedError, match=r"'c'.*only a"):
        picked(serving(Loaded("a")), model, None, default)


def split(percent: float, **fields: Any) -> RunningSplit:
    return RunningSplit(TrafficSplit("a", ((2, percent), (1, round(100 - percent, 2))), "r"), **fields)


BOTH = serving(Loaded("a", "1"), Loaded("a", "2"))
UNITS = [f"user-{number}" for number in range(400)]


def answers(percent: float) -> dict[str, str]:
    served = BOTH.split(split(percent))
    return {unit: pick_variant(served, "a", None, "", unit).variant.version for unit in UNITS}


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=5))
def test_a_growing_split_never_moves_a_unit_back(hundredths: list[int]) -> None:
    steps = [answers(step / 100) for step in sorted(hundredths)]
    for before, after in itertools.pairwise(steps):
        assert not [unit for unit in UNITS if (before[unit], after[unit]) == ("2", "1")]


def test_each_version_gets_its_share() -> None:
    shares = [sum(version == "2" for version in answers(percent).values()) / len(UNITS) for percent in (0, 25, 50, 100)]
    assert shares == pytest.approx([0, 0.25, 0.5, 1], abs=0.08)
    assert (shares[0], shares[-1]) == (0, 1)


def test_a_request_counts_where_the_split_sent_it_and_nowhere_if_it_chose_itself() -> None:
    place = ReleasePlace("r", Arm.CHALLENGER, 0)
    served = BOTH.split(split(100, places={"2": place}))
    assert pick_variant(served, "a", None, "", "ann").place == place
    assert pick_variant(served, None, None, "a", "ann").place == place
    assert pick_variant(served, "a", "2", "", "ann").place is None


def test_a_version_that_a_split_holds_has_traffic_until_the_split_ends() -> None:
    one, two = BOTH.variants
    served = BOTH.split(split(100, held=frozenset({"1", "2"})))
    assert (served.has_traffic(one), served.has_traffic(two), served.traffic) == (True, True, {"a": "2"})
    switched = served.switched(one)
    assert (switched.has_traffic(one), switched.has_traffic(two), switched.splits) == (True, False, {})
