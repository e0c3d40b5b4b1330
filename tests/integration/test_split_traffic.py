"""Several versions in one data plane over real HTTP: split, counted, mirrored, restarted."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.errors import InferenceError, UnknownVersionError
from seatrial.domain.inference import EngineOutput, InferenceEngine, IntArray
from seatrial.domain.traffic import TrafficSplit
from seatrial.engines.fake_engine import FakeEngine
from tests.builders import onnx_bundle
from tests.data_plane import Response, Running, eventually, running
from tests.splits import order

CLIENTS = 4
REQUESTS = 2_000
STEPS = (1.0, 10.0, 50.0)


class House:
    """Bundles of versions 1 to 3, which answer alike unless `engines` says otherwise; any may be taken away."""

    def __init__(self, directory: Path) -> None:
        self._bundles = {
            f"tiny@{version}": onnx_bundle(directory / str(version), version=version) for version in (1, 2, 3)
        }
        self.engines: dict[int | None, Callable[[], InferenceEngine]] = {}
        self.home = directory / "home"

    def find(self, ref: str) -> Bundle:
        if ref not in self._bundles:
            raise UnknownVersionError(f"There is no {ref}.")
        return self._bundles[ref]

    def take_away(self, version: int) -> None:
        del self._bundles[f"tiny@{version}"]

    def _load(self, bundle: Bundle) -> InferenceEngine:
        return self.engines.get(bundle.manifest.version, FakeEngine)()

    @contextlib.contextmanager
    def serving(self, *versions: int, **settings: Any) -> Iterator[Running]:
        """Starts with version 1, and loads the others one by one."""
        with running([self.find("tiny@1")], self._load, find_bundle=self.find, home=self.home, **settings) as run:
            for version in versions:
                assert admin(run, "POST", "load", {"ref": f"tiny@{version}"}).status == 200
            yield run


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def admin(run: Running, method: str, path: str, document: Any = None) -> Response:
    return run.request(method, f"/admin/{path}", json.dumps(document) if document else None, internal=True)


def put(run: Running, document: dict[str, Any]) -> Response:
    return admin(run, "PUT", "split", document)


def counters(run: Running, release: str = "r-1") -> Any:
    return admin(run, "GET", f"counters?release={release}").document["counters"]


def ask(connection: http.client.HTTPConnection, unit: str | None = None) -> dict[str, Any]:
    body = {"texts": ["a good film"]} | ({"unit": unit} if unit else {})
    connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    document: dict[str, Any] = json.loads(answer.read())
    assert answer.status == 200, document
    return document


def versions_of(run: Running, units: list[str]) -> dict[str, str]:
    with contextlib.closing(run.connect()) as connection:
        return {unit: str(ask(connection, unit)["version"]) for unit in units}


def test_a_split_that_grows_under_load_drops_nothing_and_misroutes_nobody(house: House) -> None:
    splits = [TrafficSplit("tiny", ((2, percent), (1, 100 - percent)), "salt") for percent in (*STEPS, 100.0)]
    now = 0  # the split that is known to hold; the next one may hold already while it is being ordered
    asked = 0
    seen: dict[str, list[str]] = {}
    lock = threading.Lock()
    faults: list[str] = []

    def client(number: int, run: Running) -> None:
        nonlocal asked
        with contextlib.closing(run.connect()) as connection:
            while True:
                with lock:
                    if asked >= REQUESTS:
                        return
                    asked += 1
                    unit = f"{number}-{asked % 100}"
                first = now
                version = str(ask(connection, unit)["version"])
                allowed = {str(split.version_of(unit)) for split in splits[first : now + 2]}
                if version not in allowed:
                    faults.append(f"{unit} got {version} instead of {allowed}")
                with lock:
                    seen.setdefault(unit, []).append(version)

    def asked_over(requests: int) -> bool:
        return asked > requests

    with house.serving(2) as run:
        assert put(run, order(STEPS[0], step=0)).status == 200
        clients = [threading.Thread(target=client, args=(number, run)) for number in range(CLIENTS)]
        for one in clients:
            one.start()
        for step, percent in enumerate((*STEPS[1:], 100.0), start=1):
            eventually(functools.partial(asked_over, step * REQUESTS // 4))
            bake = percent == 100.0
            assert put(run, order(percent, step=min(step, 2), bake=bake)).status == 200
            now = step
        for one in clients:
            one.join()
        total = counters(run)
        samples = run.samples()
    assert not faults
    assert all(versions == sorted(versions) for versions in seen.values()), "no unit flips except forward"
    arms = [step[arm] for step in total["steps"] for arm in ("champion", "challenger")] + [total["bake"]]
    assert sum(arm["requests"] for arm in arms) == REQUESTS == sum(map(len, seen.values()))
    assert all(arm["failed_requests"] == 0 for arm in arms)
    assert total["bake"]["requests"] > 0
    assert len(total["steps"]) == 3
    assert samples["release_step_ratio", "model=tiny"] == 1.0
    arrived = samples["release_units_total", "event=arrived,guard=split,model=tiny,version=2"]
    assert arrived == sum(step["challenger"]["units"] for step in total["steps"]) + total["bake"]["units"]


def test_a_unit_stays_where_it_is_and_counts_once(house: House) -> None:
    units = [f"user-{number}" for number in range(40)]
    with house.serving(2) as run:
        put(run, order(50))
        first = versions_of(run, units)
        assert first == versions_of(run, units)
        assert set(first.values()) == {"1", "2"}
        step = counters(run)["steps"][0]
        assert step["champion"]["requests"] + step["challenger"]["requests"] == 80
        assert step["champion"]["units"] + step["challenger"]["units"] == 40
        assert sum(step["challenger"]["classes"]) == step["challenger"]["units"], "all ask the same text"
        body = json.dumps({"texts": ["a good film"], "unit": units[0]})
        assert run.request("POST", "/models/tiny/predict", body).status == 200
        again = counters(run)["steps"][0]
        assert again["champion"]["requests"] + again["challenger"]["requests"] == 81


def test_without_a_unit_requests_fall_anywhere(house: House) -> None:
    with house.serving(2) as run, contextlib.closing(run.connect()) as connection:
        put(run, order(50))
        assert {ask(connection)["version"] for _ in range(60)} == {"1", "2"}


def test_the_same_order_again_changes_nothing_and_a_new_release_begins_afresh(house: House) -> None:
    with house.serving(2, 3) as run:
        answer = put(run, order(50))
        versions_of(run, ["ann", "bob"])
        before = counters(run)
        assert put(run, order(50)).document == answer.document
        assert counters(run) == before
        assert put(run, order(50, step=1, fence=2)).status == 200
        assert counters(run)["steps"][0] == before["steps"][0]
        assert len(counters(run)["steps"]) == 2
        assert put(run, order(50, release="r-2", versions=(1, 3), fence=2)).status == 200
        assert [step["champion"]["requests"] for step in counters(run, "r-2")["steps"]] == [0]
        assert admin(run, "GET", "counters?release=r-1").status == 404
        state = admin(run, "GET", "split?model=tiny").document
        assert state["split"] == order(50, versions=(1, 3))["split"]
        assert (state["fence"], state["release"]["id"], state["fault"]) == (2, "r-2", "")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (order(50, fence=4), "Fence 4 is older than 5"),
        (order(50, versions=(1, 3), release="r-2", fence=5), "tiny@3 is not loaded"),
        (order(50, model="other", fence=5), "other@2 is not loaded"),
        (order(50, step=0, fence=5), "does not go back"),
        (order(20, step=1, fence=5), "changes with a new step only"),
        (order(50, step=2, fence=5, versions=(2, 1)), "champion of release r-1 was fixed"),
    ],
)
def test_orders_that_contradict_what_holds_are_refused(house: House, second: dict[str, Any], words: str) -> None:
    with house.serving(2) as run:
        assert put(run, order(50, step=1, fence=5)).status == 200
        before = admin(run, "GET", "split?model=tiny").document
        answer = put(run, second)
        assert answer.status == 409
        assert words in answer.error
        assert admin(run, "GET", "split?model=tiny").document == before


def test_a_rollback_takes_all_traffic_away_and_nothing_counts_any_more(house: House) -> None:
    with house.serving(2) as run:
        put(run, order(50))
        versions_of(run, ["ann"])
        assert put(run, order(0)).status == 200
        before = counters(run)
        assert set(versions_of(run, [f"user-{number}" for number in range(20)]).values()) == {"1"}
        assert counters(run) == before
        assert put(run, order(50)).status == 409, "what was withdrawn does not come back in the same step"
        assert put(run, order(0, step=None, fence=2)).status == 200
        assert admin(run, "POST", "unload", {"ref": "tiny@2"}).status == 200


def test_what_a_release_needs_stays_loaded_and_is_not_switched_from_aside(house: House) -> None:
    with house.serving(2) as run:
        put(run, order(100, bake=True))
        assert admin(run, "POST", "unload", {"ref": "tiny@1"}).status == 409
        assert admin(run, "POST", "switch", {"model": "tiny", "version": "1"}).status == 409
        put(run, order(100, step=None))
        assert admin(run, "POST", "unload", {"ref": "tiny@2"}).status == 409
        assert admin(run, "POST", "switch", {"model": "tiny", "version": "1"}).status == 200
        assert admin(run, "GET", "split?model=tiny").document["split"] is None
        assert set(versions_of(run, ["ann", "bob"]).values()) == {"1"}


def test_of_two_controllers_at_once_the_newer_one_wins(house: House) -> None:
    with house.serving(2, 3) as run:
        statuses: list[int] = []

        def send(fence: int) -> None:
            version = 2 + fence % 2
            document = order(50, versions=(1, version), release=f"r-{version}", fence=fence)
            statuses.append(put(run, document).status)

        threads = [threading.Thread(target=send, args=(fence,)) for fence in (1, 2, 3, 4, 5, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) <= {200, 409}
        state = admin(run, "GET", "split?model=tiny").document
        assert (state["fence"], state["release"]["challenger"]) == (6, 2)


def test_a_restart_goes_on_with_split_and_counters_without_anyone_telling_it(house: House) -> None:
    units = [f"user-{number}" for number in range(30)]
    with house.serving(2) as run:
        put(run, order(50, step=1, fence=3))
        before, counted = versions_of(run, units), counters(run)
        process = admin(run, "GET", "split?model=tiny").document["process"]
        tally = admin(run, "GET", "counters?release=r-1").document["tally"]
    with house.serving() as run:
        state = admin(run, "GET", "split?model=tiny").document
        assert (state["split"], state["fence"], state["fault"]) == (order(50)["split"], 3, "")
        assert state["process"] != process
        assert admin(run, "GET", "counters?release=r-1").document["tally"] == tally
        assert counters(run) == counted
        assert versions_of(run, units) == before
        again = counters(run)["steps"][1]
        assert again["champion"]["units"] == counted["steps"][1]["champion"]["units"], "no unit counts twice"
        assert again["champion"]["requests"] == 2 * counted["steps"][1]["champion"]["requests"]
        assert put(run, order(50, step=1, fence=2)).status == 409


def test_a_version_that_is_gone_sends_everyone_to_the_champion_until_it_is_back(house: House) -> None:
    with house.serving(2) as run:
        put(run, order(50))
    bundle = house.find("tiny@2")
    house.take_away(2)
    with house.serving() as run:
        assert set(versions_of(run, [f"user-{number}" for number in range(20)]).values()) == {"1"}
        state = admin(run, "GET", "split?model=tiny").document
        assert state["split"]["percents"] == [[1, 100.0]]
        assert "tiny@2 cannot be loaded any more" in state["fault"]
        assert put(run, order(50)).status == 409
        house._bundles["tiny@2"] = bundle
        assert admin(run, "POST", "load", {"ref": "tiny@2"}).status == 200
        assert put(run, order(50)).document["fault"] == ""
        assert set(versions_of(run, [f"user-{number}" for number in range(20)]).values()) == {"1", "2"}


def test_our_faults_count_and_the_clients_do_not(house: House) -> None:
    def broken() -> InferenceEngine:
        def fail(_call: int) -> float:
            raise RuntimeError("out of memory")

        return FakeEngine(script=fail)

    house.engines[2] = broken
    with house.serving(2) as run:
        put(run, order(50))
        for number in range(20):
            run.predict(["fine"], unit=f"user-{number}")
            assert run.predict([" "], unit=f"user-{number}").status == 400
            assert run.request("POST", "/predict", b"{").status == 400
        step = counters(run)["steps"][0]
    assert step["champion"]["failed_requests"] == 0
    assert step["challenger"]["failed_requests"] == step["challenger"]["errors"] == step["challenger"]["units"] > 0
    assert step["champion"]["requests"] + step["challenger"]["requests"] == 20


def test_latencies_are_given_by_edge_and_add_up(house: House) -> None:
    with house.serving() as run:
        versions_of(run, ["ann", "bob"])
        document = admin(run, "GET", "latencies?model=tiny&version=1").document
        assert len(document["counts"]) == len(document["edges_s"]) + 1
        assert sum(document["counts"]) == 2
        assert document["over_s"] > 0
        assert admin(run, "GET", "latencies?model=tiny&version=9").status == 404
        assert admin(run, "GET", "latencies?model=tiny").status == 400


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_a_challenger_in_the_shadow_that_fails_or_hangs_changes_no_answer(house: House, fault: str) -> None:
    let_go = threading.Event()

    def challenger(_call: int) -> float:
        if fault == "hangs":
            assert let_go.wait(30)
            return 0.0
        raise InferenceError("The challenger is broken.")

    house.engines[2] = lambda: FakeEngine(script=challenger)
    units = [f"user-{number}" for number in range(200)]
    with house.serving(2) as run, contextlib.closing(run.connect()) as connection:
        alone = ask(connection, "ann")
        put(run, order(0.01, mirror_percent=100.0))
        documents = [ask(connection, unit) for unit in units]
        let_go.set()
        named = {unit for unit in units if TrafficSplit("tiny", ((2, 0.01), (1, 99.99)), "salt").version_of(unit) == 1}
        assert len(named) == len(units)
        assert all(document["probabilities"] == alone["probabilities"] for document in documents)
        assert {document["version"] for document in documents} == {"1"}
        outcomes = ("agreed", "disagreed", "failed", "dropped")

        def ended() -> float:
            samples = run.samples()
            return sum(samples.get(("inference_mirror_total", f"outcome={outcome}"), 0.0) for outcome in outcomes)

        eventually(lambda: ended() == len(units))
        step = counters(run)["steps"][0]
        expected = step["mirrored"] if fault == "fails" else 0
        assert step["disagreements"] == expected
        assert step["mirrored"] > 0
        assert step["champion"]["failed_requests"] == 0


def test_mirrored_answers_are_compared_pair_by_pair(house: House) -> None:
    class Opposite(FakeEngine):
        def _forward(self, runtime: Callable[[int], float], inputs: Mapping[str, IntArray]) -> EngineOutput:
            return EngineOutput(-super()._forward(runtime, inputs).logits)

    house.engines[2] = Opposite
    with house.serving(2) as run, contextlib.closing(run.connect()) as connection:
        put(run, order(0.01, mirror_percent=100.0))
        for unit in ("ann", "bob", "ann"):
            ask(connection, unit)
        eventually(lambda: run.samples().get(("inference_mirror_total", "outcome=disagreed"), 0) == 3)
        step = counters(run)["steps"][0]
        assert (step["mirrored"], step["disagreements"]) == (2, 2)
