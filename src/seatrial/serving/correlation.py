"""What ties a request to a client's logs and traces: its id, and the trace it belongs to."""

from __future__ import annotations

import random
import re

__all__ = ["accept_request_id", "accept_traceparent"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}")
_MOST_CHARS = 512
_random = random.Random()  # seeded by the system once: an id must be new, not secret, and asking the kernel costs 20 us


def accept_request_id(given: str | None) -> str:
    """The client's X-Request-Id if it is short and plain, else a new one: it goes into logs and headers.

    Example:
        >>> accept_request_id("order-17:retry/2"), len(accept_request_id("a b"))
        ('order-17:retry/2', 32)
    """
    return given if given and _REQUEST_ID.fullmatch(given) else f"{_random.getrandbits(128):032x}"


def accept_traceparent(given: str | None) -> str | None:
    """The client's traceparent if it is one, else None: a broken one is ignored, as if it had not been sent.

    Source: W3C Trace Context, level 1, section 3.2. Version 00 has four fields; a later version may have more, and ff
    is none. A trace or parent of zeros only is invalid.

    Example:
        >>> accept_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
        >>> accept_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
        True
    """
    if given is None or len(given) > _MOST_CHARS:
        return None
    found = _TRACEPARENT.match(given)
    if found is None or found["version"] == "ff" or not found["trace"].strip("0") or not found["parent"].strip("0"):
        return None
    rest = given[found.end() :]
    if not rest or (found["version"] != "00" and rest.startswith("-") and rest.isascii() and rest.isprintable()):
        return given
    return None
