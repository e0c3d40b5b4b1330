"""Seeing that what a command has put on record is carried out, whether or not a control plane runs."""

from __future__ import annotations

import enum
import time

from seatrial.control.controller import Controller
from seatrial.domain.errors import DependencyError
from seatrial.domain.model import Alias
from seatrial.flows.release_moves import wanted_split
from seatrial.wiring.steering import Steering
from seatrial.wiring.workshop import Workshop

__all__ = ["CarriedOut", "carry_out"]

_WITHIN_S = 10.0
_LOOK_S = 0.05


class CarriedOut(enum.StrEnum):
    """Who has made traffic follow.

    HERE the command itself, since no control plane is active; THERE the active control plane; NOT_YET nobody: the data
    plane does not answer, or the control plane takes its time.
    """

    HERE = "here"
    THERE = "there"
    NOT_YET = "not_yet"


def carry_out(workshop: Workshop, steering: Steering, model: str, within_s: float = _WITHIN_S) -> CarriedOut:
    """Looks once where no control plane is active, else waits until the active one has made traffic follow."""
    controller = Controller(workshop, steering)
    deadline_s = time.monotonic() + within_s
    if controller.look() is not None:
        controller.close()
        return CarriedOut.HERE if _follows(workshop, steering, model) else CarriedOut.NOT_YET
    while not _follows(workshop, steering, model):
        if time.monotonic() > deadline_s:
            return CarriedOut.NOT_YET
        time.sleep(_LOOK_S)
    return CarriedOut.THERE


def _follows(workshop: Workshop, steering: Steering, model: str) -> bool:
    """Whether traffic is what the record says, the places of versions without traffic aside."""
    store = workshop.store
    split = wanted_split(
        store.aliases(model).get(Alias.PRODUCTION), store.releases.latest().get(model),
        store.experiments.latest().get(model),
    )  # fmt: skip
    try:
        current = steering.router.current(model)
    except DependencyError:
        return False
    if split is None:
        return current is None
    wanted = {version: percent for version, percent in split.percents if percent}
    shares = {version: percent for version, percent in current.percents if percent} if current else {}
    return shares == wanted
