"""What the control plane orders about a model's traffic, and the file in which the data plane remembers it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec

from seatrial.bundle import file_written_atomically
from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import ExperimentPlanError, ReleasePlanError
from seatrial.domain.release_counters import Arm, FrozenBaseline, ReleasePlace
from seatrial.domain.release_plan import FULL_PERCENT
from seatrial.domain.traffic import TrafficSplit

__all__ = ["OrderFile", "Orders", "ReleaseContext", "SplitOrder"]

logger = logging.getLogger(__name__)

_FILE = "traffic.json"
_MOST_STEPS = 1000

_Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._:-]{1,128}\Z")]
_Version = Annotated[int, msgspec.Meta(ge=0)]
_Step = Annotated[int, msgspec.Meta(ge=0, lt=_MOST_STEPS)]
_Percent = Annotated[float, msgspec.Meta(ge=0, le=FULL_PERCENT)]


class ReleaseContext(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release a split belongs to, and what is counted for it: `domain.release.WatchedRelease`, checked here.

    Attributes:
        step: the running step of the plan, from 0.
        bake: the full rollout is done, and the previous version stays loaded for a while.
        baseline: fixed when the release began.
        mirror_percent: share of the champion's requests that the challenger answers as well, unseen.
    """

    id: _Id
    champion: _Version
    challenger: _Version
    step: _Step
    bake: bool
    baseline: FrozenBaseline
    mirror_percent: _Percent = 0.0

    def __post_init__(self) -> None:
        if self.champion == self.challenger:
            raise ReleasePlanError(f"Version {self.champion} cannot be champion and challenger of one release.")
        for thresholds_s in (self.baseline.thresholds_s, self.baseline.tolerant_s):
            if list(thresholds_s) != sorted(thresholds_s):
                raise ReleasePlanError("The thresholds of a baseline rise: send them in order.")

    @property
    def stage(self) -> tuple[bool, int]:
        """How far the release has come; later stages are greater."""
        return self.bake, self.step

    def places(self, split: TrafficSplit) -> dict[str, ReleasePlace]:
        """Where requests count, by version; nothing counts while the split compares nothing.

        That is so after a rollback, when the challenger gets nothing, until the release is over for good.
        """
        step = None if self.bake else self.step
        share = dict(split.percents).get(self.challenger, 0.0)
        places = {str(self.challenger): ReleasePlace(self.id, Arm.CHALLENGER, step)}
        if self.bake:
            return places if share == FULL_PERCENT else {}
        places[str(self.champion)] = ReleasePlace(self.id, Arm.CHAMPION, step)
        return places if 0 < share < FULL_PERCENT else {}


class SplitOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One order of the control plane.

    Attributes:
        fence: number of the lease under which it was given; an order under an older one is void.
        experiment: which units get which version; the split then has the shares that come of it.
    """

    split: TrafficSplit
    fence: Annotated[int, msgspec.Meta(ge=0)]
    release: ReleaseContext | None = None
    experiment: Assignment | None = None

    def __post_init__(self) -> None:
        if self.experiment is not None and (self.release is not None or self.experiment.split() != self.split):
            raise ExperimentPlanError("An experiment's order has the split that comes of its epochs, and no release.")
        named = {version for version, _ in self.split.percents}
        if self.release is not None and not {self.release.champion, self.release.challenger} <= named:
            raise ReleasePlanError("A release's split names its champion and its challenger, even at 0 %.")

    @property
    def model(self) -> str:
        """The model whose traffic it is about."""
        return self.split.model

    @property
    def needed(self) -> tuple[int, ...]:
        """Versions that must be loaded: whoever gets traffic, and both arms of a release."""
        arms: tuple[int, ...] = () if self.release is None else (self.release.champion, self.release.challenger)
        return tuple(version for version, percent in self.split.percents if percent or version in arms)

    @property
    def refuges(self) -> tuple[int, ...]:
        """Versions that could take all traffic if others are gone, best first: champion or control, then by share."""
        by_share = [version for version, _ in sorted(self.split.percents, key=lambda pair: -pair[1])]
        if self.experiment is not None:
            return (self.experiment.control, *by_share)
        return tuple(by_share) if self.release is None else (self.release.champion, *by_share)


class Orders(msgspec.Struct, frozen=True):
    """What holds.

    Attributes:
        splits: the last order of each model whose traffic is split, by model.
        fences: the highest fence seen, by model.
    """

    splits: dict[str, SplitOrder] = {}
    fences: dict[str, int] = {}

    def with_order(self, order: SplitOrder) -> Orders:
        """After an order."""
        return Orders({**self.splits, order.model: order}, {**self.fences, order.model: order.fence})

    def without(self, model: str) -> Orders:
        """After the split of a model has ended."""
        return Orders({name: order for name, order in self.splits.items() if name != model}, self.fences)


class OrderFile:
    """``traffic.json`` in the project's home: what a data plane goes on with, whether anyone is there to tell it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE

    def read(self) -> Orders:
        """What was written last. A file that is none of ours is reported and left alone: serving is worth more."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Orders)
        except FileNotFoundError:
            return Orders()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ReleasePlanError, ExperimentPlanError) as error:
            logger.error(  # noqa: TRY400  the sentence says it all
                "traffic.json cannot be read: starting without a split", extra={"reason": str(error)}
            )
            return Orders()

    def write(self, orders: Orders) -> None:
        """Replaces the file; readers and a crash see the old text or the new.

        Raises:
            StorageFullError: no room; the old text stays.
        """
        with file_written_atomically(self._path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(orders)))
