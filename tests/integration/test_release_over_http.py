"""Releases from end to end: real requests, the real data plane and its counters, the real controller and its record."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.rollouts import TOLERANT, Stage, equal_release
from seatrial.bundle import Bundle
from seatrial.control.controller import Controller
from seatrial.domain.errors import InferenceError
from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.inference import InferenceEngine
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.release import Action, Phase, ReleaseState
from seatrial.engines.fake_engine import FakeEngine
from seatrial.flows.release_start import ReleaseRequest, start
from seatrial.release.data_plane import DataPlaneClient
from seatrial.wiring.steering import steering
from seatrial.wiring.workshop import Workshop
from tests.data_plane import Running, in_background, running
from tests.houses import MODEL, open_workshop
from tests.releases import SETTINGS, new_house

pytestmark = pytest.mark.slow

CLIENTS = 4
BETWEEN_LOOKS = 100
MOST_REQUESTS = 4_000
START_S = 1_700_000_000.0


@dataclass
class Site:
    """A project with its data plane, its controller and its customers.

    Attributes:
        statuses: how many requests were answered so.
        answered: versions that answered, by customer, in the order of the answers.
        seen: the phase after each look.
        last_reason: what the last decision about the release said.
    """

    workshop: Workshop
    run: Running
    now_s: float = START_S
    statuses: Counter[int] = field(default_factory=Counter)
    answered: dict[str, list[str]] = field(default_factory=dict)
    seen: list[Phase] = field(default_factory=list)
    last_reason: str = ""
    names: Iterator[str] = field(default_factory=lambda: (f"customer-{number}" for number in itertools.count()))

    def traffic(self, requests: int) -> None:
        """So many requests: half from new customers, half from those who have just been there."""
        new = list(itertools.islice(self.names, requests // 2))
        for customers in (new, new):
            shares = [customers[part::CLIENTS] for part in range(CLIENTS)]
            with ThreadPoolExecutor(CLIENTS) as pool:
                for name, status, version in itertools.chain.from_iterable(pool.map(self._ask_all, shares)):
                    self.statuses[status] += 1
                    if status == 200:
                        self.answered.setdefault(name, []).append(version)

    def release(self) -> ReleaseState:
        """Version 2 over version 1, until it is over or the customers have run out."""
        self.traffic(2 * BETWEEN_LOOKS)  # what the baseline is frozen from
        with contextlib.closing(steering(self.workshop.settings)) as steered:
            controller = Controller(self.workshop, steered, lambda: self.now_s)
            started = start(self.workshop, steered, ReleaseRequest(f"{MODEL}@2", "ann", self.now_s))
            assert started.record is not None, started.decision
            while not (state := self.state()).phase.over and self.statuses.total() < MOST_REQUESTS:
                for decision in controller.look() or ():
                    self.last_reason = decision.reason
                self.seen.append(self.state().phase)
                self.traffic(BETWEEN_LOOKS)
                self.now_s += 5.0
            controller.look()  # what was decided last is made true
            controller.close()
        return state

    def state(self) -> ReleaseState:
        """Where the release stands."""
        return self.workshop.store.releases.latest()[MODEL].state

    def _ask_all(self, customers: list[str]) -> list[tuple[str, int, str]]:
        with contextlib.closing(self.run.connect()) as connection:
            return [(name, *ask(connection, name)) for name in customers]


def ask(connection: http.client.HTTPConnection, unit: str) -> tuple[int, str]:
    """Status, and the version that answered."""
    body = json.dumps({"texts": ["a good film"], "unit": unit})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, str(json.loads(answer.read()).get("version", ""))


@contextlib.contextmanager
def site(
    directory: Path,
    script: Callable[[int], float],
    settings: Mapping[str, object],
    champion: Callable[[int], float] = lambda _call: 0.0,
) -> Iterator[Site]:
    """Version 1 in production and served; `script` is what the engine of version 2 does at each call."""
    house = new_house(directory)
    overrides = {**SETTINGS, "release.bake_s": 20.0, **settings}
    index = house.workshop().index

    def find(ref: str) -> Bundle:
        return index.resolve(VersionRef.parse(ref), "onnx-fp32", verify=False)

    def load(bundle: Bundle) -> InferenceEngine:
        return FakeEngine(script=script if bundle.manifest.version == 2 else champion)

    # As many workers as customers: what a request takes is what its version takes, and no wait for others.
    bundle = find(f"{MODEL}@1")
    with running([bundle], load, find_bundle=find, home=directory / "home", sessions=CLIENTS) as run:
        overrides["control.data_plane_url"] = run.addresses.internal_url
        workshop = open_workshop(directory, house.registry, overrides)
        with contextlib.closing(workshop):
            yield Site(workshop, run)


def test_an_equal_version_reaches_everybody_and_nobody_goes_back(tmp_path: Path) -> None:
    # So many equal versions are rolled back by chance, and a machine that gets busy makes the last one slow: a test may
    # be neither, so alpha is small and ten times as slow is tolerated.
    settings = {"release.alpha": 0.002, "release.latency_tolerance_rungs": 24, "release.budget_requests": 700}
    with site(tmp_path, lambda _call: 0.0, settings) as here:
        state = here.release()
        assert state.phase is Phase.DONE
        assert here.statuses.total() >= 2_000
        here.traffic(BETWEEN_LOOKS)
        assert set(here.statuses) == {200}, "nothing was dropped"
        assert {versions[-1] for versions in list(here.answered.values())[-BETWEEN_LOOKS // 2 :]} == {"2"}
        assert {"1", "2"} == {version for versions in here.answered.values() for version in versions}
        for name, versions in here.answered.items():
            assert versions == sorted(versions), f"{name} was sent back"
        assert here.workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}
        assert here.workshop.registry.aliases(MODEL)[Alias.PRODUCTION] == 2
        assert worst(here.workshop.store.verify([here.workshop.store.head()])) is Verdict.PASS


def test_a_version_that_fails_a_tenth_is_rolled_back_in_its_first_step(tmp_path: Path) -> None:
    def fails(call: int) -> float:
        if call % 10 == 9:
            raise InferenceError("A test lets it fail.")
        return 0.0

    with site(tmp_path, fails, {"release.budget_requests": 2_000}) as here:
        state = here.release()
        assert (state.phase, state.step) == (Phase.ROLLED_BACK, 0)
        failed = here.statuses[500]
        assert 0 < failed < 60
        here.traffic(BETWEEN_LOOKS)
        assert here.statuses[500] == failed, "nobody meets it any more"
        assert set(here.statuses) == {200, 500}
        assert here.workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 1
        (model,) = here.run.request("GET", "/admin/models", internal=True).document["models"]
        assert model["traffic"] == "1"
        assert worst(here.workshop.store.verify([here.workshop.store.head()])) is Verdict.PASS


def test_a_storm_of_bad_requests_moves_no_release(tmp_path: Path) -> None:
    with site(tmp_path, lambda _call: 0.0, {}) as here, contextlib.closing(steering(here.workshop.settings)) as steered:
        here.traffic(2 * BETWEEN_LOOKS)
        controller = Controller(here.workshop, steered, lambda: here.now_s)
        assert start(here.workshop, steered, ReleaseRequest(f"{MODEL}@2", "ann", here.now_s)).record is not None
        controller.look()
        with contextlib.closing(here.run.connect()) as connection:
            for number in range(3 * BETWEEN_LOOKS):
                body = json.dumps({"texts": [" "], "unit": f"stranger-{number}"})
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                here.statuses[answer.status] += 1
        looked = controller.look()
        assert looked is not None
        (decision,) = looked
        assert here.statuses[400] == 3 * BETWEEN_LOOKS
        assert decision.action is Action.HOLD
        (step,) = here.workshop.store.releases.latest()[MODEL].counters.steps
        assert (step.requests, step.challenger.failed_requests, step.champion.failed_requests) == (0, 0, 0)
        controller.close()


USUAL_S = 0.02
"""What a champion takes: far more than the data plane and its customers, so that a busy machine changes little."""


ONE_STEP: Mapping[str, object] = {"release.steps": (50.0, 100.0)}


def waits(latency_s: float) -> Callable[[int], float]:
    """An engine that takes so long."""

    def script(_call: int) -> float:
        time.sleep(latency_s)
        return 0.0

    return script


def test_a_version_slower_by_30_percent_is_rolled_back(tmp_path: Path) -> None:
    with site(tmp_path, waits(1.3 * USUAL_S), {**ONE_STEP, "release.budget_requests": 3_000}, waits(USUAL_S)) as here:
        assert (here.release().phase, set(here.statuses)) == (Phase.ROLLED_BACK, {200})
        assert Phase.BAKING not in here.seen
        assert "it is slower" in here.last_reason
        assert here.workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 1


def test_a_version_slower_by_5_percent_is_within_the_tolerance_of_10(tmp_path: Path) -> None:
    with site(tmp_path, waits(1.05 * USUAL_S), {**ONE_STEP, "release.alpha": 0.002}, waits(USUAL_S)) as here:
        here.release()
        assert Phase.BAKING in here.seen, here.last_reason
        assert set(here.statuses) == {200}


def test_a_version_that_slows_down_after_the_full_rollout_is_brought_back(tmp_path: Path) -> None:
    sites: list[Site] = []

    def script(call: int) -> float:
        late = bool(sites) and Phase.BAKING in sites[0].seen
        return waits(4 * USUAL_S if late else USUAL_S)(call)

    # Time enough to be found on a machine that is so busy that the champion was not quick either.
    settings = {**ONE_STEP, "release.alpha": 0.002, "release.bake_s": 60.0}
    with site(tmp_path, script, settings, waits(USUAL_S)) as here:
        sites.append(here)
        assert here.release().phase is Phase.ROLLED_BACK
        assert Phase.BAKING in here.seen, "no harm was seen before"
        assert "After the full rollout" in here.last_reason
        assert "it is slower" in here.last_reason
        here.traffic(CLIENTS)
        assert {versions[-1] for versions in list(here.answered.values())[-CLIENTS // 2 :]} == {"1"}


def test_an_equal_version_is_not_called_slower_at_any_share(tmp_path: Path) -> None:
    over = threading.Event()

    with site(tmp_path, waits(USUAL_S / 4), {}, waits(USUAL_S / 4)) as here:
        here.traffic(2 * BETWEEN_LOOKS)

        def come() -> None:
            while not over.is_set():
                here.traffic(10 * CLIENTS)

        client = DataPlaneClient(here.run.addresses.internal_url)
        with contextlib.closing(client), in_background(come):
            stage = Stage(MODEL, ("negative", "positive"), client)
            try:  # `python -m benchmarks.releases` counts alarms of many; here not one in a thousand may be by chance
                alarms = [equal_release(stage, percent, 200, TOLERANT, alpha=0.001) for percent in (1.0, 10.0, 50.0)]
            finally:
                over.set()
    assert alarms == [False, False, False]
