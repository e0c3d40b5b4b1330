"""Looking again and again, at once where a person has done something, and never ending for a fault outside."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from seatrial.control.controller import Controller
from seatrial.domain.errors import SeatrialError

__all__ = ["run_looks"]

_POKE_S = 0.2
"""How often the record is asked whether somebody has done something: one small query."""
_log = logging.getLogger(__name__)


def run_looks(controller: Controller, head: Callable[[], int], interval_s: float, stop: threading.Event) -> None:
    """Looks every `interval_s`, and soon after the record grew, until `stop` is set; then gives the lease back.

    Args:
        head: place of the record's last entry.
        interval_s: seconds between two looks.
    """
    while not stop.is_set():
        try:
            controller.look()
        except SeatrialError as error:  # a full disk, a lost lease, a database that is away: the split stays as it is
            _log.warning("look failed", extra={"reason": str(error)})
        _wait(head, interval_s, stop)
    try:
        controller.close()
    except SeatrialError as error:
        _log.warning("lease not given back", extra={"reason": str(error)})


def _wait(head: Callable[[], int], interval_s: float, stop: threading.Event) -> None:
    before, waited_s = _seq(head), 0.0
    while waited_s < interval_s and not stop.wait(min(_POKE_S, interval_s)):
        waited_s += _POKE_S
        if _seq(head) != before:
            return


def _seq(head: Callable[[], int]) -> int:
    try:
        return head()
    except SeatrialError:
        return -1
