"""Which version answers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from seatrial.domain.errors import InvalidRequestError, ModelNotServedError
from seatrial.serving.splitting import Served, pick_variant


@dataclass(frozen=True)
class Loaded:
    model: str
    version: str = "1"


def serving(*variants: Loaded) -> Served[Loaded]:
    served: Served[Loaded] = Served()
    for variant in variants:
        served = served.adding(variant)
    return served


def test_the_only_model_answers_when_none_is_named() -> None:
    only = Loaded("a")
    assert pick_variant(serving(only), None, None, "") is only
    assert pick_variant(serving(only), "a", None, "") is only


def test_of_several_models_the_default_or_the_named_one_answers() -> None:
    a, b = Loaded("a"), Loaded("b")
    assert pick_variant(serving(a, b), None, None, "b") is b
    assert pick_variant(serving(a, b), "a", None, "b") is a
    with pytest.raises(InvalidRequestError, match="a, b"):
        pick_variant(serving(a, b), None, None, "")


def test_of_several_versions_the_first_has_the_traffic_until_it_is_switched() -> None:
    two, one = Loaded("a", "2"), Loaded("a", "1")
    served = serving(two, one)
    assert pick_variant(served, None, None, "") is two
    assert pick_variant(served, "a", "1", "") is one
    switched = served.switched(one)
    assert pick_variant(switched, None, None, "") is one
    assert pick_variant(switched, None, "2", "") is two
    assert (switched.has_traffic(one), switched.has_traffic(two), served.has_traffic(two)) == (True, False, True)


def test_a_version_that_is_gone_is_not_picked() -> None:
    two, one = Loaded("a", "2"), Loaded("a", "1")
    served = serving(two, one).without(one)
    with pytest.raises(ModelNotServedError, match=r"'1' of a .*only 2"):
        pick_variant(served, "a", "1", "")


@pytest.mark.parametrize(("model", "default"), [("c", ""), (None, "c")])
def test_a_model_that_is_not_loaded_is_named_together_with_those_that_are(model: str | None, default: str) -> None:
    with pytest.raises(ModelNotServedError, match=r"'c'.*only a"):
        pick_variant(serving(Loaded("a")), model, None, default)
