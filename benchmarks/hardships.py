"""What the data plane goes through in a soak: long mixed load with hot swaps, overload, SIGTERM, kill -9.

Each hardship gives checks. Those that compare times hold on an idle machine only; the others hold anywhere, and are
what the tests demand of a reduced soak.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.plane import Plane
from seatrial.loadgen.apart import LoadProcess, run_apart
from seatrial.loadgen.plan import Bounds, Closed, Expected, Load, Mix, Open
from seatrial.loadgen.results import ANSWERED, LoadResult

_POLL_S = 0.2
_QUICKLY_MS = 50.0
_RECOVERED_WITHIN_S = 2.0
_RESTARTED_WITHIN_S = 3.0
_OVERLOAD = 5.0
_SERVED_WITHIN_S = 2.0
"""Longest latency of what is served under overload: the queue holds a second's work (`serving.max_queue_s`)."""


@dataclass(frozen=True)
class Subject:
    """What is soaked.

    Attributes:
        project: with bundles of at least three versions of the model.
        versions: what is served one after the other, the first at the start.
        expected: what each version must answer to each text.
        tolerance: of a probability.
    """

    project: Path
    model: str
    versions: tuple[str, ...]
    texts: tuple[str, ...]
    expected: Mapping[str, Expected]
    tolerance: float = 1e-4

    def ref(self, version: str) -> str:
        """``model@version``."""
        return f"{self.model}@{version}"


@dataclass(frozen=True)
class Sizes:
    """How hard and how long.

    Attributes:
        requests: of the long load, over all swaps.
        sizes: texts a request, drawn evenly.
        most_per_s: an overload sends no more than this, so that the client stays able to.
        released: requests of a whole release.
    """

    requests: int = 200_000
    released: int = 20_000
    clients: int = 16
    sizes: tuple[int, ...] = (*(1,) * 18, 4, 8)
    capacity_s: float = 10.0
    overload_s: float = 60.0
    overload_texts: int = 1
    most_per_s: float = 5000.0
    before_signal_s: float = 3.0


@dataclass(frozen=True)
class Check:
    """One thing a soak must show.

    Attributes:
        needs_idle: whether it compares times or memory, which only an idle machine decides.
    """

    what: str
    value: str
    limit: str
    met: bool
    needs_idle: bool = False


@dataclass
class _Watch:
    """Memory of a plane over the course of a load, as (share of the requests that have ended, bytes)."""

    samples: list[tuple[float, int]] = field(default_factory=list)

    def median_bytes(self, start: float, stop: float) -> float:
        """Median of the samples taken between two shares; the nearest one where there is none."""
        middle = (start + stop) / 2
        inside = [held for share, held in self.samples if start <= share < stop]
        return statistics.median(inside or [min(self.samples, key=lambda sample: abs(sample[0] - middle))[1]])


def swapped(subject: Subject, sizes: Sizes) -> list[Check]:
    """The long load: real texts, bad requests, leaving clients, and a new version twice meanwhile."""
    mix = Mix(
        subject.texts, sizes.sizes, bad_ratio=0.01, cancelled_ratio=0.01,
        expected=subject.expected, tolerance=subject.tolerance,
    )  # fmt: skip
    watch = _Watch()
    with Plane(subject.project, subject.ref(subject.versions[0])) as plane:
        bounds = Bounds(0.0, window_s=24 * 3600.0, max_requests=sizes.requests)
        with LoadProcess(Load(plane.target, mix, closed=Closed(sizes.clients), bounds=bounds)) as running:
            after = [place / len(subject.versions) for place in range(1, len(subject.versions))]
            for start, old, new in zip(after, subject.versions, subject.versions[1:], strict=False):
                _until(plane, running, watch, start, sizes.requests)
                _swap(plane, subject, old, new)
            _until(plane, running, watch, 1.0, sizes.requests)
            result = running.result()
    return _swapped_checks(result, sizes, watch)


def _swapped_checks(result: LoadResult, sizes: Sizes, watch: _Watch) -> list[Check]:
    outcomes = result.total.outcomes
    answered = sum(count for ended, count in outcomes.items() if ended == ANSWERED or ended.startswith("4"))
    left = outcomes.get("cancelled", 0)
    lost = sizes.requests - answered - left
    before, after = watch.median_bytes(0.1, 0.3), watch.median_bytes(0.9, 1.01)
    return [
        Check("requests sent over the swaps", f"{result.total.requests}", f"{sizes.requests}",
              result.total.requests == sizes.requests),
        Check("bad requests and clients that left", f"{answered - outcomes[ANSWERED]}, {left}", "some of each",
              answered > outcomes[ANSWERED] and left > 0),
        Check("lost", f"{lost} ({_counts(outcomes)})", "0", lost == 0),
        Check("wrong", f"{result.wrong} {'; '.join(result.wrong_examples[:2])}".strip(), "0", result.wrong == 0),
        Check("RSS at the end over RSS before the first swap", f"{after / before:.3f} of {before / 1e6:.0f} MB",
              "at most 1.05", after <= 1.05 * before, needs_idle=True),
        Check("rate over the swaps", f"{result.texts_per_s:.0f} texts/s, p99 {result.answered.p99_ms:.0f} ms, worst "
              f"{result.answered.max_ms:.0f} ms", "", True),
    ]  # fmt: skip


def _until(plane: Plane, running: LoadProcess, watch: _Watch, share: float, requests: int) -> None:
    """Waits until that share of the requests has ended, or the load has, and watches memory meanwhile."""
    while running.is_alive():
        ended = plane.requests_ended() / requests
        watch.samples.append((ended, plane.rss_bytes))
        if ended >= share:
            return
        time.sleep(_POLL_S)


def _swap(plane: Plane, subject: Subject, old: str, new: str) -> None:
    """Replaces a version under load, and asks once which one answers then."""
    plane.admin("load", ref=subject.ref(new))
    plane.admin("switch", model=subject.model, version=new)
    status, answer = plane.predict(subject.texts[0])
    if status != 200 or answer["version"] != new:
        raise SystemExit(f"After the switch to version {new} an answer was {status} {dict(answer)}.")
    plane.admin("unload", ref=subject.ref(old))


def overloaded(subject: Subject, sizes: Sizes) -> list[Check]:
    """Five times what it can do, for a while."""
    first = subject.versions[0]
    mix = Mix(subject.texts, (sizes.overload_texts,), expected=subject.expected, tolerance=subject.tolerance)
    with Plane(subject.project, subject.ref(first)) as plane:
        bounds = Bounds(sizes.capacity_s / 4, sizes.capacity_s)
        capacity = run_apart(Load(plane.target, mix, closed=Closed(32), bounds=bounds))
    rate = min(sizes.most_per_s, _OVERLOAD * capacity.texts_per_s / sizes.overload_texts)
    with Plane(subject.project, subject.ref(first)) as plane:
        load = Load(plane.target, mix, open=Open(rate), bounds=Bounds(sizes.overload_s / 10, sizes.overload_s))
        with LoadProcess(load) as running:
            probes = list(_probes(plane, running, subject.texts[0]))
            result = running.result()
        status = plane.predict(subject.texts[0])[0]
    return _overloaded_checks(capacity, result, rate * sizes.overload_texts, _recovery_s(result, probes), status)


def _overloaded_checks(
    capacity: LoadResult, result: LoadResult, offered: float, recovery_s: float, status: int
) -> list[Check]:
    outcomes = result.total.outcomes
    refused = result.window.latencies.get("503")
    quickly_ms = refused.p99_ms if refused else 0.0
    share = result.texts_per_s / capacity.texts_per_s
    bound_ms = 1000 * _SERVED_WITHIN_S
    return [
        Check("overload: offered", f"{offered:.0f} texts/s, capacity {capacity.texts_per_s:.0f}, client "
              f"{result.client_cpu_ratio:.2f} cores, late by {result.lateness.p99_ms:.0f} ms at p99", "", True),
        Check("overload: every answer", _counts(outcomes), "200 or 503, some of each", set(outcomes) == {"200", "503"}),
        Check("overload: wrong", f"{result.wrong}", "0", result.wrong == 0),
        Check("overload: served over capacity", f"{share:.2f}", "at least 0.90", share >= 0.9, needs_idle=True),
        Check("overload: 503 at p99", f"{quickly_ms:.0f} ms", f"under {_QUICKLY_MS:.0f} ms", quickly_ms < _QUICKLY_MS,
              needs_idle=True),
        Check("overload: served at p99", f"{result.answered.p99_ms:.0f} ms", f"at most {bound_ms:.0f} ms",
              result.answered.p99_ms <= bound_ms, needs_idle=True),
        Check("overload: an answer afterwards", f"{status}", "200", status == 200),
        Check("overload: recovered after", f"{recovery_s:.2f} s", f"under {_RECOVERED_WITHIN_S:g} s",
              recovery_s < _RECOVERED_WITHIN_S, needs_idle=True),
    ]  # fmt: skip


def _probes(plane: Plane, running: LoadProcess, text: str) -> Iterator[tuple[float, bool]]:
    """When single requests ended, and whether they were answered with predictions, as long as the load lives."""
    while running.is_alive():
        status, _ = plane.predict(text)
        yield time.monotonic(), status == 200
        time.sleep(_POLL_S / 2)
    status, _ = plane.predict(text)
    yield time.monotonic(), status == 200


def _recovery_s(result: LoadResult, probes: Sequence[tuple[float, bool]]) -> float:
    """From the last request of the overload until single requests are answered again, and stay so."""
    after = [(ended_s, answered) for ended_s, answered in probes if ended_s > result.last_sent_s]
    failed = [ended_s for ended_s, answered in after if not answered]
    recovered = [ended_s for ended_s, answered in after if answered and ended_s > max(failed, default=0.0)]
    return min(recovered, default=float("inf")) - result.last_sent_s


def terminated(subject: Subject, sizes: Sizes) -> list[Check]:
    """SIGTERM under load: whoever was let in is answered."""
    mix = Mix(subject.texts, sizes.sizes, expected=subject.expected, tolerance=subject.tolerance)
    with Plane(subject.project, subject.ref(subject.versions[0])) as plane:
        window_s = 2 * sizes.before_signal_s + 1
        load = Load(plane.target, mix, closed=Closed(2 * sizes.clients), bounds=Bounds(0.0, window_s))
        with LoadProcess(load) as running:
            _await_load(plane, sizes)
            signalled_s = plane.end(signal.SIGTERM)
            code = _ended(plane)
            took_s = time.monotonic() - signalled_s
            result = running.result()
    early = [sent_s for sent_s in result.unanswered_sent_s if sent_s < signalled_s]
    outcomes = result.total.outcomes
    return [
        Check("SIGTERM: sent before it and unanswered", f"{len(early)} ({_counts(outcomes)})", "0",
              not early and outcomes.get(ANSWERED, 0) > 0),
        Check("SIGTERM: how requests ended", _counts(outcomes), "answered, or refused after it",
              set(outcomes) <= {"200", "503", "reset", "refused"}),
        Check("SIGTERM: wrong", f"{result.wrong}", "0", result.wrong == 0),
        Check("SIGTERM: exit code", f"{code}, after {took_s:.1f} s", "0", code == 0),
    ]  # fmt: skip


def killed(subject: Subject, sizes: Sizes) -> list[Check]:
    """Kill -9 under load: clients see that the connection ended, and a new process answers soon."""
    mix = Mix(subject.texts, sizes.sizes, expected=subject.expected, tolerance=subject.tolerance)
    with Plane(subject.project, subject.ref(subject.versions[0])) as plane:
        load = Load(plane.target, mix, closed=Closed(sizes.clients), bounds=Bounds(0.0, 2 * sizes.before_signal_s + 3))
        with LoadProcess(load) as running:
            _await_load(plane, sizes)
            plane.end(signal.SIGKILL)
            _ended(plane)
            restarted_s = plane.start()
            result = running.result()
        again = run_apart(replace(load, bounds=Bounds(0.0, 60.0, max_requests=100)))
    outcomes = result.total.outcomes
    return [
        Check("kill -9: how requests ended", _counts(outcomes), "answered, the connection ended, or turned away at the "
              "start", set(outcomes) <= {"200", "reset", "refused", "503"} and len(outcomes) > 1),
        Check("kill -9: wrong", f"{result.wrong}", "0", result.wrong == 0),
        Check("kill -9: a new process serves after", f"{restarted_s:.2f} s", f"under {_RESTARTED_WITHIN_S:g} s",
              restarted_s < _RESTARTED_WITHIN_S, needs_idle=True),
        Check("kill -9: requests to the new process", _counts(again.total.outcomes), "all answered",
              again.total.outcomes == {"200": 100}),
    ]  # fmt: skip


def _await_load(plane: Plane, sizes: Sizes) -> None:
    """Until requests have been answered for a while."""
    while not plane.requests_ended():
        time.sleep(_POLL_S)
    time.sleep(sizes.before_signal_s)


def _ended(plane: Plane) -> int | None:
    """The exit code; None where the plane does not end within half a minute."""
    try:
        return plane.process.wait(30)
    except subprocess.TimeoutExpired:
        return None


def _counts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {ended}" for ended, count in sorted(outcomes.items()))
