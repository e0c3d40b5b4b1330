from __future__ import annotations

from collections.abc import Callable

import pytest

from seatrial.domain.errors import UsageError
from seatrial.loadgen.plan import Bounds, Closed, Expected, Load, Mix, Open, Target

TARGET, MIX = Target("127.0.0.1", 1), Mix(("fine",))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Mix(()), "needs texts"),
        (lambda: Mix(("fine",), sizes=()), "sizes"),
        (lambda: Mix(("fine",), sizes=(1, 0)), "sizes"),
        (lambda: Mix(("fine",), bad_ratio=1.1), "shares"),
        (lambda: Mix(("fine",), cancelled_ratio=-0.1), "shares"),
        (lambda: Mix(("fine", "poor"), expected={"1": Expected(("a",), ((1.0,),))}), "each of the 2 texts"),
        (lambda: Load(TARGET, MIX), "either closed"),
        (lambda: Load(TARGET, MIX, closed=Closed(1), open=Open(1)), "either closed"),
        (lambda: Load(TARGET, MIX, closed=Closed(0)), "at least one client"),
        (lambda: Load(TARGET, MIX, open=Open(0)), "rate above 0"),
        (lambda: Load(TARGET, MIX, open=Open(1, max_connections=0)), "one connection"),
        (lambda: Load(TARGET, MIX, closed=Closed(1), bounds=Bounds(window_s=0)), "window"),
        (lambda: Load(TARGET, MIX, closed=Closed(1), bounds=Bounds(max_requests=0)), "one request"),
    ],
)
def test_an_impossible_load_is_refused(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        make()
