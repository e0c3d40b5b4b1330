"""What releases do to real traffic: equal versions, a whole rollout, a shadow. The tests run the same, reduced."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.hardships import Check, Sizes, Subject
from benchmarks.plane import Plane
from benchmarks.statistics import LATENCY_ONLY, one_step
from seatrial.domain.release import (
    Action,
    GuardPlan,
    ReleaseState,
    TrafficSplit,
    WatchedRelease,
)
from seatrial.domain.release_reports import total_counters
from seatrial.loadgen.apart import LoadProcess, run_apart
from seatrial.loadgen.plan import Bounds, Closed, Load, Mix, Open
from seatrial.release.data_plane import DataPlaneClient
from seatrial.release.decide import decide
from seatrial.release.local_metrics import LocalMetrics
from seatrial.release.local_router import LocalRouter
from seatrial.stats.clopper_pearson import interval
from seatrial.wiring.steering import freeze_baseline

CHAMPION, CHALLENGER = 1, 2
TOLERANT = GuardPlan(error_weight=0.0, latency_weight=1.0, class_weight=0.0)
SHARES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)
_LOOK_S = 0.1
_ENDLESS = Bounds(0.0, window_s=24 * 3600.0)


@dataclass
class Stage:
    """A data plane that serves the champion, and what steers it.

    Attributes:
        model: its name.
        labels: classes that are counted.
        client: of its internal port.
        releases: numbers of the releases to come.
    """

    model: str
    labels: tuple[str, ...]
    client: DataPlaneClient
    releases: Iterator[int] = field(default_factory=itertools.count)

    @property
    def metrics(self) -> LocalMetrics:
        """What is counted."""
        return LocalMetrics(self.client)

    def begin(self, percent: float, rungs: int = 1, mirror_percent: float = 0.0) -> WatchedRelease:
        """A release of the challenger at a share, its baseline frozen from what the champion has answered."""
        release = f"bench-{next(self.releases)}"
        state = ReleaseState(release, self.model, CHAMPION, CHALLENGER, "bench", "")
        baseline = freeze_baseline(self.metrics, state, self.labels, rungs)
        watched = WatchedRelease(release, CHAMPION, CHALLENGER, 0, False, baseline, mirror_percent)
        self.follow(watched, percent)
        return watched

    def follow(self, watched: WatchedRelease, percent: float) -> None:
        """Gives the challenger its share; loads it where it is not loaded."""
        LocalRouter(self.client).apply(split_of(watched, self.model, percent), fence=1, watched=watched)

    def end(self, watched: WatchedRelease) -> None:
        """Gives all traffic back to the champion and lets go of the challenger, so that the next one begins cold."""
        router = LocalRouter(self.client)
        whole = TrafficSplit(self.model, ((CHAMPION, 100.0),), watched.release)
        router.apply(whole, fence=1)
        router.retire(self.model, CHALLENGER)


@contextlib.contextmanager
def staged(subject: Subject) -> Iterator[tuple[Plane, Stage]]:
    """A data plane of the subject's first version in a process of its own."""
    labels = tuple(sorted({label for answers in subject.expected.values() for label in answers.labels}))
    with Plane(subject.project, subject.ref(str(CHAMPION))) as plane:
        client = DataPlaneClient(f"http://127.0.0.1:{plane.internal_port}")
        try:
            yield plane, Stage(subject.model, labels, client)
        finally:
            client.close()


def equal_release(stage: Stage, percent: float, requests: int, guards: GuardPlan, alpha: float = 0.05) -> bool:
    """One short release of an equal version while traffic comes; whether it was rolled back, at any look."""
    plan = replace(one_step(percent, requests, guards), alpha=alpha)
    watched = stage.begin(percent, guards.latency_tolerance_rungs)
    state = ReleaseState(watched.release, stage.model, CHAMPION, CHALLENGER, "bench", plan.sha256)
    while True:
        counters = total_counters(stage.metrics.counters(watched.release))
        action = decide(plan, state, counters, 0.0).action
        if action is not Action.HOLD:
            stage.end(watched)
            return action is Action.ROLL_BACK
        time.sleep(_LOOK_S)


def equal_releases(subject: Subject, runs: int, requests: Mapping[float, int]) -> list[Check]:
    """A/A over one running data plane: how often the latency guard alone calls an equal version slower."""
    checks = []
    with staged(subject) as (plane, stage):
        load = Load(plane.target, Mix(subject.texts), closed=Closed(4), bounds=_ENDLESS)
        with LoadProcess(load):
            _await_requests(plane, 2_000)
            for guards, what in ((TOLERANT, "tolerance 10 %"), (LATENCY_ONLY, "no tolerance")):
                for percent, enough in requests.items():
                    alarms = sum(equal_release(stage, percent, enough, guards) for _ in range(runs))
                    low, high = interval(alarms, runs)
                    checks.append(
                        Check(
                            f"A/A over HTTP, {percent:g} % of {enough} requests, {what}: rolled back",
                            f"{alarms} of {runs} (95 % interval {low:.3f} to {high:.3f})",
                            "not proven above .05", low <= 0.05,
                        )
                    )  # fmt: skip
    return checks


@dataclass(frozen=True)
class Answer:
    """What one request came to; status 0 where nothing was answered."""

    unit: str
    status: int
    version: str
    right: bool
    sent_s: float
    ended_s: float


@dataclass
class Rollout:
    """A whole release under load.

    Attributes:
        answers: of each client, in the order it asked; a unit has one client.
        changes: each split with when it was asked for and when it held.
    """

    subject: Subject
    clients: int = 8
    answers: list[list[Answer]] = field(default_factory=list)
    changes: list[tuple[float, float, TrafficSplit]] = field(default_factory=list)

    @property
    def ended(self) -> int:
        """Requests that have ended."""
        return sum(map(len, self.answers))

    def run(self, plane: Plane, stage: Stage, requests: int) -> None:
        """Sends the requests, and meanwhile gives the challenger one share after the other."""
        self.answers = [[] for _ in range(self.clients)]
        self.changes.append((0.0, 0.0, TrafficSplit(self.subject.model, ((CHAMPION, 100.0),))))
        with ThreadPoolExecutor(self.clients) as pool:
            visits = [pool.submit(self._visit, plane.port, place, requests) for place in range(self.clients)]
            watched: WatchedRelease | None = None
            for place, percent in enumerate(SHARES):
                while self.ended < requests * (place + 0.5) / (len(SHARES) + 0.5):
                    time.sleep(0.005)
                asked_s = time.monotonic()
                if watched is None:
                    watched = stage.begin(percent)
                else:
                    last = percent == SHARES[-1]
                    watched = replace(watched, step=place - 1 if last else place, bake=last)
                    stage.follow(watched, percent)
                self.changes.append((asked_s, time.monotonic(), split_of(watched, self.subject.model, percent)))
            for visit in visits:
                visit.result()

    def checks(self, requests: int) -> list[Check]:
        """Who was dropped, answered by a version that was not theirs, or sent back."""
        every = list(itertools.chain.from_iterable(self.answers))
        dropped = [answer for answer in every if answer.status != 200]
        served = [answer for answer in every if answer.status == 200]
        astray = sum(answer.version not in self._possible(answer) for answer in served)
        wrong = sum(not answer.right for answer in served)
        of_unit: dict[str, list[int]] = {}
        for answer in served:
            of_unit.setdefault(answer.unit, []).append(int(answer.version))
        back = sum(versions != sorted(versions) for versions in of_unit.values())
        forward = sum(versions[0] != versions[-1] for versions in of_unit.values())
        both = Counter(answer.version for answer in served)
        return [
            Check("release by 1, 5, 10, 25, 50, 100 % under load: requests", f"{len(every)} ({dict(both)})",
                  f"{requests}, some to each version", len(every) == requests and len(both) == 2),
            Check("release under load: dropped", f"{len(dropped)}", "0", not dropped),
            Check("release under load: answered by a version that was not theirs", f"{astray}", "0", not astray),
            Check("release under load: answers that are not that version's", f"{wrong}", "0", not wrong),
            Check("release under load: units sent back to the old version",
                  f"{back} of {len(of_unit)}, {forward} went forward", "0, some forward", not back and forward > 0),
        ]  # fmt: skip

    def _possible(self, answer: Answer) -> set[str]:
        """The versions that a split in force while the request was under way gives its unit."""
        possible = set()
        for place, (asked_s, _, split) in enumerate(self.changes):
            following = self.changes[place + 1 :]
            until_s = following[0][1] if following else float("inf")
            if asked_s <= answer.ended_s and answer.sent_s <= until_s:
                possible.add(str(split.version_of(answer.unit)))
        return possible

    def _visit(self, port: int, place: int, requests: int) -> None:
        """The requests of one client: its units come one after the other, again and again."""
        texts, mine = self.subject.texts, self.answers[place]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(place, requests, self.clients):
            unit, text = f"unit-{number % max(self.clients, requests // 10)}", number % len(texts)
            sent_s = time.monotonic()
            status, document = _asked(connection, texts[text], unit)
            version = str(document.get("version", ""))
            right = status == 200 and self._right(version, text, document)
            mine.append(Answer(unit, status, version, right, sent_s, time.monotonic()))
        connection.close()

    def _right(self, version: str, text: int, document: Mapping[str, Any]) -> bool:
        expected, got = self.subject.expected[version].probabilities[text], document["probabilities"][0]
        return max(map(abs, map(float.__sub__, expected, got))) <= self.subject.tolerance


def rolled_out(subject: Subject, sizes: Sizes) -> list[Check]:
    """A whole release by every share that one takes, while requests come."""
    rollout, requests = Rollout(subject), sizes.released
    with staged(subject) as (plane, stage):
        bounds = Bounds(0.0, 60.0, max_requests=500)  # what the baseline is frozen from
        run_apart(Load(plane.target, Mix(subject.texts), closed=Closed(2), bounds=bounds))
        rollout.run(plane, stage, requests)
    return rollout.checks(requests)


def split_of(watched: WatchedRelease, model: str, percent: float) -> TrafficSplit:
    """The split that gives the challenger a share."""
    rest = round(100.0 - percent, 2)
    return TrafficSplit(model, ((watched.challenger, percent), (watched.champion, rest)), watched.release)


def _asked(connection: http.client.HTTPConnection, text: str, unit: str) -> tuple[int, Mapping[str, Any]]:
    """(0, {}) where there is no answer."""
    try:
        connection.request(
            "POST", "/predict", json.dumps({"texts": [text], "unit": unit}), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()
        return 0, {}


def shadowed(subject: Subject, rounds: int = 4, window_s: float = 6.0, mirror_percent: float = 10.0) -> list[Check]:
    """Latency of production's answers at half load, with and without a shadow, in turns."""
    mix = Mix(subject.texts)
    with staged(subject) as (plane, stage):
        bounds = Bounds(1.0, window_s)
        capacity = run_apart(Load(plane.target, mix, closed=Closed(32), bounds=bounds)).texts_per_s
        half = Load(plane.target, mix, open=Open(capacity / 2), bounds=bounds)
        p99s: dict[float, list[float]] = {0.0: [], mirror_percent: []}
        mirrored = 0
        for _ in range(rounds):
            for percent, found in p99s.items():
                watched = stage.begin(1.0, mirror_percent=percent)
                found.append(run_apart(half).answered.p99_ms)
                counters = total_counters(stage.metrics.counters(watched.release))
                mirrored += sum(step.mirrored for step in counters.steps)
                stage.end(watched)
    without, beside = (statistics.median(found) for found in p99s.values())
    rounds_shown = "; ".join(", ".join(f"{p99:.1f}" for p99 in found) for found in p99s.values())
    what = f"shadow of {mirror_percent:g} % at half load ({capacity / 2:.0f}/s)"
    return [
        Check(f"{what}: p99 with it over p99 without", f"{beside / without:.3f} ({beside:.1f} over {without:.1f} ms; "
              f"rounds without and with {rounds_shown})", "at most 1.05", beside <= 1.05 * without, needs_idle=True),
        Check(f"{what}: requests compared", f"{mirrored}", "some", mirrored > 0),
    ]  # fmt: skip


def _await_requests(plane: Plane, requests: int) -> None:
    while plane.requests_ended() < requests:
        time.sleep(_LOOK_S)
