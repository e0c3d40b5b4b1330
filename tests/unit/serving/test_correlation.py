"""Ids that clients send."""

from __future__ import annotations

import pytest

from seatrial.serving.correlation import accept_request_id, accept_traceparent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_plain_request_id_is_taken_over_and_any_other_replaced() -> None:
    assert accept_request_id("order-17:retry/2") == "order-17:retry/2"
    for bad in (None, "", "x" * 129, "a b", "é", "a\r\nb"):
        made = accept_request_id(bad)
        assert len(made) == 32
        assert made != accept_request_id(bad)


@pytest.mark.parametrize(
    "given", [f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00", f"cc-{TRACE}-{PARENT}-01-what"]
)
def test_a_traceparent_is_passed_on(given: str) -> None:
    assert accept_traceparent(given) == given


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-what",
        f"cc-{TRACE}-{PARENT}-01what",
        f"cc-{TRACE}-{PARENT}-01-{'x' * 600}",
        f"cc-{TRACE}-{PARENT}-01-\r\n",
        f"00-{TRACE}-{PARENT}",
        f" 00-{TRACE}-{PARENT}-01",
    ],
)
def test_a_traceparent_that_is_none_is_ignored(given: str | None) -> None:
    assert accept_traceparent(given) is None
