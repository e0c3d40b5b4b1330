"""Starting again what ends by itself, with pauses."""

from __future__ import annotations

import pytest

from seatrial.control.supervising import Child
from seatrial.domain.errors import NotReadyError


def test_what_cannot_start_is_told() -> None:
    child = Child("data plane", ["no-such-command"])
    with pytest.raises(NotReadyError, match="ended before it was ready"):
        child.start()
    child.end()


def test_what_cannot_start_again_is_tried_with_pauses() -> None:
    child = Child("data plane", ["no-such-command"])
    assert not child.keep()
    assert not child.keep(), "its pause is not over"
    child.end()
