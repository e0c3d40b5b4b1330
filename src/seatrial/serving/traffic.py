"""Who gets which share of a model's traffic: orders are checked, remembered, then followed in one instant."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path

from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import SeatrialError, TrafficConflictError
from seatrial.domain.release_plan import FULL_PERCENT
from seatrial.domain.traffic import TrafficSplit
from seatrial.serving.split_orders import OrderFile, Orders, ReleaseContext, SplitOrder
from seatrial.serving.splitting import RunningSplit
from seatrial.serving.tallies import Tallies
from seatrial.serving.versions import Versions

__all__ = ["Traffic", "TrafficState"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrafficState:
    """What holds for a model.

    Attributes:
        fence: the highest one seen; 0 where no order came yet.
        process: names this run of the data plane.
        fault: why the split is not the one that was ordered; empty where it is.
    """

    split: TrafficSplit | None
    fence: int
    release: ReleaseContext | None
    process: str
    fault: str = ""
    experiment: Assignment | None = None


class Traffic:
    """The splits of a process. Belongs to the event loop, except for `restore`.

    Args:
        versions: what is loaded.
        tallies: told about releases and their steps.
    """

    def __init__(self, versions: Versions, tallies: Tallies) -> None:
        self.process = uuid.uuid4().hex
        self._versions = versions
        self._tallies = tallies
        self._orders = Orders()
        self._file: OrderFile | None = None
        self._faults: dict[str, str] = {}
        self.restored = True

    def keep_in(self, directory: Path) -> None:
        """Remembers orders in a file there, and reads the last ones; `restore` must follow once models are loaded."""
        self._file = OrderFile(directory)
        self._orders = self._file.read()
        self.restored = not self._orders.splits

    def restore(self) -> None:
        """Goes on with the last orders; loads versions that they need, and blocks meanwhile.

        Models that this process was not started with are left alone.
        """
        for model, order in self._orders.splits.items():
            if model in self._versions.served.traffic:
                self._resume(order)
        self.restored = True

    def state(self, model: str) -> TrafficState:
        """What holds for a model, which may be unknown here."""
        running, order = self._versions.served.splits.get(model), self._orders.splits.get(model)
        return TrafficState(
            running.split if running else None,
            self._orders.fences.get(model, 0),
            order.release if order else None,
            self.process,
            self._faults.get(model, ""),
            order.experiment if order else None,
        )

    def shadowing(self, model: str) -> ReleaseContext | None:
        """The release of a model whose challenger answers mirrored requests now."""
        order = self._orders.splits.get(model)
        release = order.release if order and model not in self._faults else None
        return release if release is not None and release.mirror_percent and not release.bake else None

    def step_ratios(self) -> dict[str, float]:
        """The challenger's share of the traffic, 0 to 1, by model with a running release."""
        return {
            model: dict(running.split.percents).get(order.release.challenger, 0.0) / FULL_PERCENT
            for model, order in self._orders.splits.items()
            if order.release is not None and (running := self._versions.served.splits.get(model)) is not None
        }

    def treated_ratios(self) -> dict[str, float]:
        """The treatment's share of the traffic, 0 to 1, by model with a running experiment."""
        return {
            model: order.experiment.treated_percent / FULL_PERCENT
            for model, order in self._orders.splits.items()
            if order.experiment is not None and model not in self._faults
        }

    async def follow(self, order: SplitOrder) -> TrafficState:
        """Splits a model's traffic from the moment this returns at the latest; requests that run are not touched.

        The same order again changes nothing. Another release begins a fresh tally, a higher step the next one.

        Raises:
            TrafficConflictError: a newer fence was seen, a version is not loaded, or the release would go back.
            StorageFullError: the order cannot be remembered, so it is not followed.
        """
        async with self._versions.ordering:
            self._check(order)
            if order != self._orders.splits.get(order.model) or order.model in self._faults:
                await self._remember(self._orders.with_order(order))
                self._faults.pop(order.model, None)
                self._begin(order)
            return self.state(order.model)

    async def switch(self, model: str, version: str) -> None:
        """Gives all traffic of a model to one loaded version, and ends its split.

        Raises:
            ModelNotServedError: it is not loaded.
            TrafficConflictError: a release runs, whose split is not to be changed from aside.
        """
        async with self._versions.ordering:
            self._versions.served.find(model, version)
            order = self._orders.splits.get(model)
            if order is not None and order.release is not None:
                raise TrafficConflictError(
                    f"Release {order.release.id} of {model} runs: roll it back, or let it end, before you switch."
                )
            if order is not None and order.experiment is not None:
                raise TrafficConflictError(
                    f"Experiment {order.experiment.experiment} of {model} runs: stop it before you switch."
                )
            if order is not None:
                await self._remember(self._orders.without(model))
            self._faults.pop(model, None)
            self._versions.switch(model, version)

    async def _remember(self, orders: Orders) -> None:
        """Writes first and believes then: a restart never falls behind what requests have seen."""
        if self._file is not None:
            await asyncio.to_thread(self._file.write, orders)
        self._orders = orders

    def _check(self, order: SplitOrder) -> None:
        seen = self._orders.fences.get(order.model, 0)
        if order.fence < seen:
            raise TrafficConflictError(
                f"Fence {order.fence} is older than {seen}, which was seen for {order.model}: another controller has "
                "taken over, so stop."
            )
        missing = self._missing(order)
        if missing:
            raise TrafficConflictError(
                f"{order.model}@{missing[0]} is not loaded here: load it with POST /admin/load first."
            )
        before = self._orders.splits.get(order.model)
        if order.release is not None and before is not None and before.release is not None:
            _check_progress(before, before.release, order, order.release)
        if order.experiment is not None and before is not None and before.experiment is not None:
            _check_epochs(before.experiment, order.experiment)

    def _missing(self, order: SplitOrder) -> list[int]:
        loaded = {(variant.model, variant.version) for variant in self._versions.served.variants}
        return [version for version in order.needed if (order.model, str(version)) not in loaded]

    def _begin(self, order: SplitOrder, *, restore: bool = False) -> None:
        places = {}
        if order.release is not None:
            self._tallies.enter(order.model, order.release, restore=restore)
            places = order.release.places(order.split)
        held = frozenset(map(str, order.needed))
        self._versions.split(RunningSplit(order.split, places, held, order.experiment))

    def _resume(self, order: SplitOrder) -> None:
        reasons = []
        for version in self._missing(order):
            try:
                self._versions.load_found(f"{order.model}@{version}")
            except (SeatrialError, OSError) as error:
                reasons.append(f"{order.model}@{version} cannot be loaded any more ({error})")
        if not reasons:
            self._begin(order, restore=True)
            return
        missing = self._missing(order)
        refuge = next((version for version in order.refuges if version not in missing), None)
        place = "the version that was loaded first" if refuge is None else f"{order.model}@{refuge}"
        fault = f"{'; '.join(reasons)}: all traffic goes to {place}, and nothing is counted."
        self._faults[order.model] = fault
        logger.error("split not restored", extra={"model": order.model, "reason": fault})
        if refuge is not None:
            only = TrafficSplit(order.model, ((refuge, FULL_PERCENT),), order.split.salt)
            self._versions.split(RunningSplit(only, held=frozenset({str(refuge)})))


def _check_epochs(before: Assignment, after: Assignment) -> None:
    """Refuses an order that would move units of a running experiment to the other arm, or count them anew."""
    if after.experiment == before.experiment and not after.continues(before):
        raise TrafficConflictError(
            f"Arms and past epochs of experiment {before.experiment} are fixed: a share changes with a new epoch, for "
            "units that do not take part yet."
        )


def _check_progress(old: SplitOrder, before: ReleaseContext, order: SplitOrder, release: ReleaseContext) -> None:
    """Refuses an order that would make the counters of a running release mean something else."""
    if release.id != before.id:
        return
    fixed = ("champion", "challenger", "baseline")
    changed = [name for name in fixed if getattr(release, name) != getattr(before, name)]
    if changed:
        raise TrafficConflictError(
            f"The {changed[0]} of release {release.id} was fixed when it began: start another release."
        )
    if release.stage < before.stage:
        raise TrafficConflictError(
            f"Release {release.id} is at step {before.step}{' and bakes' if before.bake else ''}: it does not go back."
        )
    withdrawn = not dict(order.split.percents)[release.challenger]
    if release.stage == before.stage and order.split != old.split and not withdrawn:
        raise TrafficConflictError(
            f"Step {release.step} of release {release.id} has another split: a share changes with a new step only."
        )
