"""Orders about traffic: checked, remembered, followed, or refused with nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.bundle import Bundle
from seatrial.config import ServingSettings
from seatrial.domain.assignment import Assignment, Intake
from seatrial.domain.errors import (
    ExperimentPlanError,
    ModelNotServedError,
    NotReadyError,
    TrafficConflictError,
    UnknownVersionError,
)
from seatrial.domain.traffic import TrafficSplit
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.plane import DataPlane
from seatrial.serving.split_orders import OrderFile, SplitOrder
from tests.builders import onnx_bundle
from tests.splits import order


def asked(*args: Any, **fields: Any) -> SplitOrder:
    return msgspec.convert(order(*args, **fields), SplitOrder)


class House:
    """Planes that remember their traffic in one home."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.gone: set[str] = set()

    def find(self, ref: str) -> Bundle:
        if ref in self.gone:
            raise UnknownVersionError(f"There is no {ref}.")
        model, _, version = ref.partition("@")
        return onnx_bundle(self.directory / ref, model=model, version=int(version))

    def plane(self, *refs: str) -> DataPlane:
        plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine(), find_bundle=self.find)
        plane.keep_traffic(self.home)
        plane.load([self.find(ref) for ref in refs])
        return plane


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def done(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_an_order_that_cannot_be_remembered_is_not_followed(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    (house.home / "traffic.json").mkdir(parents=True)
    with pytest.raises(OSError, match=r"traffic\.json"):
        done(plane.orders.follow(asked(50)))
    assert plane.orders.state("tiny").split is None
    assert plane.traffic == {"tiny": "1"}
    (house.home / "traffic.json").rmdir()
    assert done(plane.orders.follow(asked(50))).split == asked(50).split


def test_an_order_from_before_or_for_what_is_not_loaded_changes_nothing(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    done(plane.orders.follow(asked(10, fence=3)))
    for refused in (asked(50, fence=2), asked(50, release="r-2", versions=(1, 3), fence=4)):
        with pytest.raises(TrafficConflictError):
            done(plane.orders.follow(refused))
    state = plane.orders.state("tiny")
    assert (state.fence, state.split) == (3, asked(10).split)


def test_one_model_knows_nothing_of_the_orders_of_another(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2", "other@1", "other@2")
    done(plane.orders.follow(asked(10, fence=9)))
    done(plane.orders.follow(asked(50, model="other", release="r-2", fence=1)))
    assert (plane.orders.state("tiny").fence, plane.orders.state("other").fence) == (9, 1)
    assert plane.orders.step_ratios() == {"tiny": 0.1, "other": 0.5}
    assert plane.orders.state("unknown").split is None


def test_a_switch_ends_a_split_of_no_release_for_good(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    done(plane.orders.follow(asked(30, step=None, fence=4)))
    with pytest.raises(ModelNotServedError):
        done(plane.switch("tiny", "9"))
    done(plane.switch("tiny", "2"))
    assert plane.orders.state("tiny").split is None
    orders = OrderFile(house.home).read()
    assert (orders.splits, orders.fences) == ({}, {"tiny": 4})
    done(plane.orders.follow(asked(30, fence=4)))
    with pytest.raises(TrafficConflictError, match="roll it back"):
        done(plane.switch("tiny", "1"))


def test_a_restart_loads_what_the_split_needs_and_nothing_of_models_that_are_not_served(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2", "other@1", "other@2")
    done(plane.orders.follow(asked(10)))
    done(plane.orders.follow(asked(50, model="other", release="r-2")))
    again = house.plane("tiny@1")
    assert {variant.ref for variant in again.variants} == {"tiny@1", "tiny@2"}
    assert again.orders.state("tiny").split == asked(10).split
    assert again.orders.state("other").split is None
    assert set(OrderFile(house.home).read().splits) == {"tiny", "other"}


@pytest.mark.parametrize(
    ("gone", "started", "percents", "words"),
    [
        ({"tiny@2"}, "tiny@1", ((1, 100.0),), "all traffic goes to tiny@1"),
        ({"tiny@1"}, "tiny@2", ((2, 100.0),), "all traffic goes to tiny@2"),
        ({"tiny@1", "tiny@2"}, "tiny@3", None, "loaded first"),
    ],
)
def test_what_is_gone_is_said_and_somebody_answers(
    house: House, gone: set[str], started: str, percents: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    done(plane.orders.follow(asked(50, mirror_percent=5)))
    assert plane.orders.shadowing("tiny") is not None
    house.gone = gone
    again = house.plane(started)
    state = again.orders.state("tiny")
    assert (state.split.percents if state.split else None) == percents
    assert words in state.fault
    assert again.orders.shadowing("tiny") is None
    assert again.route("tiny", unit="ann").place is None
    assert again.pick("tiny").ref == started
    assert "split not restored" in caplog.text
    assert OrderFile(house.home).read().splits["tiny"] == asked(50, mirror_percent=5), "the order itself stands"


def test_nobody_is_answered_before_the_last_split_holds_again(house: House) -> None:
    done(house.plane("tiny@1", "tiny@2").orders.follow(asked(50)))
    plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine(), find_bundle=house.find)
    plane.keep_traffic(house.home)
    plane._versions.load_all([house.find("tiny@1")])
    with pytest.raises(NotReadyError):
        plane.pick("tiny")
    plane.orders.restore()
    assert plane.pick("tiny", unit="ann").version in {"1", "2"}


def test_the_shadow_ends_with_the_bake(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    done(plane.orders.follow(asked(50, mirror_percent=5)))
    done(plane.orders.follow(asked(100, mirror_percent=5, bake=True)))
    assert plane.orders.shadowing("tiny") is None


def compared(*epochs: tuple[float, float], experiment: str = "e-1", fence: int = 1, control: int = 1) -> SplitOrder:
    assignment = Assignment(experiment, "tiny", control, 2, tuple(Intake(*epoch) for epoch in epochs))
    return SplitOrder(assignment.split(), fence, experiment=assignment)


def test_an_experiment_sends_each_unit_where_it_belongs_also_after_a_restart(house: House) -> None:
    order = compared((30.0, 50.0))
    done(house.plane("tiny@1", "tiny@2").orders.follow(order))
    again = house.plane("tiny@1")
    again.orders.restore()
    assert again.orders.state("tiny").experiment == order.experiment
    assert again.orders.treated_ratios() == {"tiny": 0.15}
    assert order.experiment is not None
    for number in range(100):
        variant, place, exposure = again.route("tiny", unit=f"user-{number}")
        assert exposure == order.experiment.exposure_of(f"user-{number}")
        assert variant.version == str(order.experiment.version_of(exposure))
        assert place is None
        assert again.route("tiny", "2", f"user-{number}").exposure is None, "who chooses takes no part"


def test_an_experiment_grows_by_epochs_only_and_is_not_switched_away(house: House) -> None:
    plane = house.plane("tiny@1", "tiny@2")
    done(plane.orders.follow(compared((30.0, 50.0))))
    for changed in (compared((30.0, 10.0)), compared((60.0, 50.0)), compared((30.0, 50.0), (60.0, 10.0), control=3)):
        with pytest.raises(TrafficConflictError):
            done(plane.orders.follow(changed))
    with pytest.raises(TrafficConflictError, match="stop it before"):
        done(plane.orders.switch("tiny", "2"))
    grown = compared((30.0, 50.0), (60.0, 10.0))
    assert done(plane.orders.follow(grown)).experiment == grown.experiment
    assert done(plane.orders.follow(compared((10.0, 50.0), experiment="e-2"))).fault == ""


def test_an_experiment_whose_treatment_is_gone_goes_on_with_its_control(house: House) -> None:
    done(house.plane("tiny@1", "tiny@2").orders.follow(compared((100.0, 90.0))))
    house.gone.add("tiny@2")
    again = house.plane("tiny@1")
    again.orders.restore()
    assert "all traffic goes to tiny@1" in again.orders.state("tiny").fault
    routed = again.route("tiny", unit="user-1")
    assert (routed.variant.version, routed.exposure) == ("1", None)


def test_an_order_of_an_experiment_has_the_shares_that_come_of_it() -> None:
    order = compared((30.0, 50.0))
    with pytest.raises(ExperimentPlanError, match="comes of its epochs"):
        SplitOrder(TrafficSplit("tiny", ((2, 50.0), (1, 50.0)), "e-1"), 1, experiment=order.experiment)
