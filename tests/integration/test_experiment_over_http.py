"""An experiment from end to end: real requests and feedback, the data plane's journal, the record, the readout."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.bundle import Bundle
from seatrial.control.carrying_out import carry_out
from seatrial.domain.assignment import Intake
from seatrial.domain.evidence import Verdict
from seatrial.domain.experiment import Side
from seatrial.domain.inference import InferenceEngine
from seatrial.domain.model import VersionRef
from seatrial.domain.readout import Judgement, Standing
from seatrial.engines.fake_engine import FakeEngine
from seatrial.experiments.feeding import Feeder
from seatrial.flows import experiments
from seatrial.flows.experiment_start import ExperimentRequest, begin_experiment
from seatrial.serving.journal import Journal
from seatrial.serving.journal_files import JournalFiles, JournalPolicy
from seatrial.store.experiments import ExperimentRecord
from seatrial.wiring.comparing import compare, journal_pages
from seatrial.wiring.steering import Steering, steering
from seatrial.wiring.workshop import Workshop
from tests.data_plane import Running, running
from tests.houses import MODEL, open_workshop
from tests.releases import new_house

pytestmark = pytest.mark.slow

POLICY = JournalPolicy(max_bytes=2**24, keep_s=3600.0, forget_s=86_400.0, fsync=False)
WINDOW_S = 30.0
LATER_S = 60.0
"""Every outcome window is over by then: time is an argument of a look."""


@dataclass
class Site:
    """A project with its data plane and its customers."""

    workshop: Workshop
    steered: Steering
    run: Running

    def begin(self, intake: Intake) -> ExperimentRecord:
        """Version 2 against version 1, by what customers buy."""
        request = ExperimentRequest(
            MODEL, "production", "2", ("bought:binary",), ("request_failed:margin=0.5",), intake, "ann", WINDOW_S
        )
        began = begin_experiment(self.workshop, request)
        assert began.record is not None, began.reason
        assert carry_out(self.workshop, self.steered, MODEL) == "here"
        return began.record

    def visits(self, customers: list[str]) -> dict[str, str]:
        """The version that answered each."""
        answered = {}
        with contextlib.closing(self.run.connect()) as connection:
            for name in customers:
                answered[name] = str(ask(connection, "/predict", {"texts": ["a good film"], "unit": name})["version"])
        return answered

    def buy(self, answered: dict[str, str]) -> None:
        """Half of those who met version 2 buy, and one in five of the others; on the disk once this returns."""
        every = {"1": 5, "2": 2}
        buyers = list[str]()
        for version in every:
            buyers += sorted(name for name, met in answered.items() if met == version)[:: every[version]]
        with contextlib.closing(self.run.connect()) as connection:
            for start in range(0, len(buyers), 100):
                items = [{"unit": name, "metric": "bought", "value": 1.0} for name in buyers[start : start + 100]]
                ask(connection, "/feedback", items)


def ask(connection: http.client.HTTPConnection, path: str, body: object) -> dict[str, Any]:
    """The document of an answer that went well."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    document: dict[str, Any] = json.loads(answer.read())
    assert answer.status < 300, document
    return document


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Version 1 in production and served, version 2 waiting."""
    house = new_house(tmp_path)
    index = house.workshop().index

    def find(ref: str) -> Bundle:
        return index.resolve(VersionRef.parse(ref), "onnx-fp32", verify=False)

    def load(_: Bundle) -> InferenceEngine:
        return FakeEngine()

    journal = Journal(JournalFiles(tmp_path / "home" / "journal", POLICY))
    with running([find(f"{MODEL}@1")], load, find_bundle=find, home=tmp_path / "home", journal=journal) as run:
        overrides: dict[str, object] = {"control.data_plane_url": run.addresses.internal_url}
        workshop = open_workshop(tmp_path, house.registry, overrides)
        with contextlib.closing(workshop), contextlib.closing(steering(workshop.settings)) as steered:
            yield Site(workshop, steered, run)


def test_the_better_version_is_found_nobody_is_moved_and_lost_records_block(site: Site) -> None:
    first = site.begin(Intake(20.0, 50.0))
    early = [f"customer-{number}" for number in range(500)]
    before = site.visits(early)
    assert site.visits(early[:50]) == {name: before[name] for name in early[:50]}, "a customer meets one version"

    record = experiments.open_epoch(site.workshop, MODEL, Intake(100.0, 50.0), "ann")
    assert carry_out(site.workshop, site.steered, MODEL) == "here"
    after = site.visits(early)
    taken_in = {name: exposure for name in early if (exposure := first.assignment.exposure_of(name)) is not None}
    assert {exposure.arm for exposure in taken_in.values()} == set(Side)
    assert {name: after[name] for name in taken_in} == {name: before[name] for name in taken_in}
    assert set(after.values()) == {"1", "2"}

    answered = after | site.visits([f"customer-{number}" for number in range(500, 1550)])
    site.buy(answered)
    settings = site.workshop.settings
    young = compare(settings, site.steered, record, time.time())
    assert young.readout.judgement is Judgement.COLLECT, "no outcome window is over"
    compared = compare(settings, site.steered, record, time.time() + LATER_S)
    (bought, failed) = compared.readout.metrics
    assert bought.standing is Standing.BETTER
    assert bought.treatment_value == pytest.approx(0.5, abs=0.03)
    assert bought.control_value == pytest.approx(0.2, abs=0.03)
    assert compared.readout.control_units + compared.readout.treatment_units == len(answered)
    assert compared.observations["ignored"]["crossed"] == 0
    assert failed.guardrail

    entries = [entry for page, _ in journal_pages(settings, site.steered) for entry in page]
    with Feeder(record.plan, record.epochs) as feeder:
        feeder.take(entry for entry in entries if not _lost(entry))
        assert feeder.seen(time.time() + LATER_S).readout.judgement is Judgement.BLOCKED

    stopped = experiments.stop(
        site.workshop, site.steered, MODEL, verdict="ship", reason="No request failed.", actor="ann",
        now_s=time.time() + LATER_S,
    )  # fmt: skip
    assert carry_out(site.workshop, site.steered, MODEL) == "here"
    assert set(site.visits(early[:50]).values()) == {"1"}, "production has its traffic back"
    assert stopped.record.verdict == "ship"
    assert site.workshop.store.verify([site.workshop.store.head()])[0].verdict is Verdict.PASS


def _lost(entry: Any) -> bool:
    """Two thirds of what the treatment has answered, by customer."""
    exposure = entry.get("prediction", {}).get("exposure")
    return bool(exposure) and exposure["arm"] == "treatment" and int(entry["prediction"]["unit"][9:]) % 3 > 0
