"""The loads of a deployment test: what is sent to the served version, and what comes of it."""

from __future__ import annotations

import math
import re
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

from seatrial.acceptance.exchange import Session
from seatrial.acceptance.figures import MemoryGrowth, Overload, Shutdown
from seatrial.acceptance.load_judgement import LEAST_ANSWERS
from seatrial.acceptance.subject import Served, Subject
from seatrial.config import AcceptanceSettings
from seatrial.domain.errors import UnreachableError
from seatrial.loadgen import usage
from seatrial.loadgen.apart import LoadProcess, run_apart
from seatrial.loadgen.plan import Bounds, Closed, Load, Open, Target
from seatrial.loadgen.results import ANSWERED, LoadResult

__all__ = ["at_rate", "end_under_load", "overload", "watch_memory", "with_clients"]

_WARM_UP_S = 0.5
_MEMORY_PARTS = 4
_MEMORY_CLIENTS = 4
_SPARE_RATIO = 1.3
"""Arrivals are random: so many times the wanted answers are expected in the window."""
_OVERLOAD_RATIO = 3.0
_CAPACITY_CLIENTS = 8
_CAPACITY_REQUESTS = 128
_CAPACITY_WITHIN_S = 10.0
"""Capacity is taken over so many requests, or those that end in this time: a slow version answers none in a moment."""
_MOST_TEXTS = 64
"""Texts in each request of the overload, where its line is long enough: small ones would overload the client first."""
_LOOKERS = 8
_POLL_S = 0.02
_BEGIN_WITHIN_S = 15.0
_SHUTDOWN_WINDOW_S = 3.0
_SERIES = re.compile(rb"^inference_requests_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


def watch_memory(served: Served, subject: Subject, settings: AcceptanceSettings) -> MemoryGrowth:
    """Resident memory after each of several equal parts of `memory_requests`.

    Raises:
        UnreachableError: this system does not tell the memory of a process.
    """
    part = math.ceil(settings.memory_requests / _MEMORY_PARTS)
    bounds = Bounds(0.0, 24 * 3600.0, max_requests=part)
    load = Load(_target(served), subject.mix(1), closed=Closed(_MEMORY_CLIENTS), bounds=bounds)
    rss_bytes, answered = [], 0
    for _ in range(_MEMORY_PARTS):
        answered += run_apart(load).total.outcomes.get(ANSWERED, 0)
        memory = usage.memory(served.pid)
        if memory is None:
            raise UnreachableError("The memory of the data plane cannot be read: it has ended, or this is no Linux.")
        rss_bytes.append(memory.rss_bytes)
    return MemoryGrowth(rss_bytes, part * _MEMORY_PARTS, answered)


def at_rate(served: Served, subject: Subject, settings: AcceptanceSettings) -> LoadResult:
    """An open loop at `rate_per_s`, long enough for a 99th percentile."""
    window_s = max(settings.window_s, _SPARE_RATIO * LEAST_ANSWERS / settings.rate_per_s)
    bounds = Bounds(_WARM_UP_S, window_s)
    return run_apart(Load(_target(served), subject.mix(1), open=Open(settings.rate_per_s), bounds=bounds))


def with_clients(served: Served, subject: Subject, clients: int, window_s: float) -> LoadResult:
    """A closed loop: one place of the capacity curve."""
    bounds = Bounds(min(_WARM_UP_S, window_s), window_s)
    return run_apart(Load(_target(served), subject.mix(1), closed=Closed(clients), bounds=bounds))


def overload(served: Served, subject: Subject, settings: AcceptanceSettings) -> Overload:
    """Offers several times what can be done, and enough to fill the line early.

    The line of waiting texts is full after a quarter of `overload_s`; from then on single requests look for a refusal.
    """
    waiting = subject.limits.max_queue_texts
    texts = max(1, min(_MOST_TEXTS, subject.limits.max_texts, waiting // 8))
    capacity_per_s = _capacity_per_s(served, subject)
    if not capacity_per_s:
        raise UnreachableError("Nothing was answered, so there is no capacity to exceed: see the other findings.")
    offered_per_s = max(_OVERLOAD_RATIO * capacity_per_s, capacity_per_s + 4 * waiting / settings.overload_s)
    bounds = Bounds(0.0, settings.overload_s)
    load = Load(_target(served), subject.mix(texts), open=Open(offered_per_s / texts), bounds=bounds)
    with LoadProcess(load) as running:
        hints = _refusals(served, subject, running, texts)
        result = running.result()
    return Overload(result, offered_per_s, capacity_per_s, hints, _recovery_s(served, subject, settings))


def end_under_load(served: Served, subject: Subject, settings: AcceptanceSettings) -> Shutdown:
    """Asks the process to end while requests are under way.

    Raises:
        UnreachableError: the load did not get under way.
    """
    bounds = Bounds(0.0, _SHUTDOWN_WINDOW_S)
    load = Load(_target(served), subject.mix(1), closed=Closed(2 * settings.clients), bounds=bounds)
    before = _requests_ended(served)
    with LoadProcess(load) as running:
        deadline_s = time.monotonic() + _BEGIN_WITHIN_S
        while _requests_ended(served) == before:
            if not running.is_alive() or time.monotonic() > deadline_s:
                raise UnreachableError("The load before the shutdown did not get under way: see the other findings.")
            time.sleep(_POLL_S)
        signalled_s = time.monotonic()
        served.terminate()
        exit_code = served.exit_code(subject.limits.end_within_s)
        took_s = time.monotonic() - signalled_s
        return Shutdown(running.result(), signalled_s, exit_code, took_s)


def _capacity_per_s(served: Served, subject: Subject) -> float:
    """Texts answered a second, one in each request."""
    bounds = Bounds(0.0, _CAPACITY_WITHIN_S, max_requests=_CAPACITY_REQUESTS)
    return run_apart(Load(_target(served), subject.mix(1), closed=Closed(_CAPACITY_CLIENTS), bounds=bounds)).texts_per_s


def _refusals(served: Served, subject: Subject, running: LoadProcess, texts: int) -> list[str | None]:
    """Retry-After of refusals, looked for by single requests until one of them has met one, or the load is over."""
    hints: list[str | None] = []
    asked = subject.rows.repeated(texts)

    def look() -> None:
        while running.is_alive() and not hints:
            try:
                with Session.to(served.url) as session:
                    reply = session.predict(asked)
            except UnreachableError:  # the load's own result says how requests ended
                time.sleep(_POLL_S)
                continue
            if reply.status == 503:
                hints.append(reply.headers.get("retry-after"))
            time.sleep(_POLL_S)

    lookers = [threading.Thread(target=look, daemon=True) for _ in range(_LOOKERS)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    return hints


def _recovery_s(served: Served, subject: Subject, settings: AcceptanceSettings) -> float | None:
    """From now until a single request gets a prediction; None where none does in time."""
    began_s = time.monotonic()
    while time.monotonic() - began_s <= settings.recovery_limit_s:
        with Session.to(served.url, timeout_s=settings.recovery_limit_s) as session, suppress(UnreachableError):
            if session.predict(subject.rows.texts[:1]).status == 200:
                return time.monotonic() - began_s
        time.sleep(_POLL_S)
    return None


def _requests_ended(served: Served) -> float:
    """Requests that the data plane has counted, however they ended."""
    with Session.to(served.internal_url) as session:
        return sum(float(value) for value in _SERIES.findall(session.ask("GET", "/metrics").body))


def _target(served: Served) -> Target:
    address = urlsplit(served.url)
    return Target(str(address.hostname), int(address.port or 80), pid=served.pid)
