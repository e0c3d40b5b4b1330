"""Experiments by the command line, without a control plane, over a data plane that answers by HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.assignment import Assignment, Exposure
from seatrial.domain.evidence import Verdict
from seatrial.domain.inference import MetricValue, Outcome, PredictionRecord
from seatrial.domain.model import Alias
from seatrial.flows.project import Project
from seatrial.serving.journal_format import JournalEntry, encode_line
from seatrial.wiring.workshop import Workshop
from tests.admin_server import admin_server
from tests.houses import MODEL, enrol
from tests.releases import House, new_house
from tests.unit.cli.conftest import Command

_SETTINGS = """\
[model]
name = "tiny"

[serving]
internal_port = {port}

[experiments]
outcome_window_s = 5.0

[release]
steps = [10.0, 100.0]
min_requests = 100
budget_requests = 400
effect_error_ratio = 50.0
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A project that keeps its own journal, and whose data plane is a server of the test."""
    made = new_house(tmp_path)
    monkeypatch.setattr(Workshop, "registry", made.registry)
    with admin_server(made.plane) as (url, _):
        (tmp_path / "seatrial.toml").write_text(_SETTINGS.format(port=url.rpartition(":")[2]), "utf-8")
        yield made


def told(seatrial: Command, house: House, *words: str, code: int = 0) -> Any:
    """The document of an experiment command."""
    ended = seatrial("experiment", *words, "--json", "-C", house.directory)
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def refused(seatrial: Command, house: House, *words: str) -> str:
    """Why a command was refused."""
    ended = seatrial("experiment", *words, "-C", house.directory)
    assert ended.code == 2, ended.out
    return ended.err


def running(house: House) -> Assignment:
    """What the data plane was told last."""
    assignment = house.plane.experiments[MODEL]
    assert assignment is not None
    return assignment


def write_journal(house: House, units: int) -> None:
    """An hour ago each came; half of the treatment bought, and one in five of the others."""
    assignment, at_s = running(house), time.time() - 3600
    lines, came = [], {1: 0, 2: 0}
    for number in range(units):
        unit = f"user-{number}"
        exposure = assignment.exposure_of(unit)
        version = assignment.version_of(exposure)
        came[version] += 1
        lines.append(encode_line(JournalEntry(at_s, prediction=prediction(unit, version, exposure))))
        if came[version] % {1: 5, 2: 2}[version] == 0:
            lines.append(encode_line(JournalEntry(at_s + 1, metric_value=MetricValue("bought", 1.0, unit=unit))))
    journal = house.workshop().settings.journal_dir
    journal.mkdir(parents=True)
    (journal / "0001700000000000.journal").write_bytes(b"".join(lines))


def prediction(unit: str, version: int, exposure: Exposure | None) -> PredictionRecord:
    return PredictionRecord(f"r-{unit}", MODEL, str(version), Outcome.SUCCESS, 0.01, unit, 1, exposure=exposure)


def test_an_experiment_from_its_start_to_a_release(seatrial: Command, house: House) -> None:
    started = told(seatrial, house, "start", "--b", "2", "--metric", "bought:binary", "--units", "40")
    assert started["traffic"] == "here"
    assert house.shares() == [(2, 20.0), (1, 80.0)]
    grown = told(seatrial, house, "epoch", "--units", "100")
    assert house.shares() == [(2, 50.0), (1, 50.0)]
    assert [epoch["units_percent"] for epoch in grown["experiment"]["epochs"]] == [40.0, 100.0]
    write_journal(house, 2600)
    status = told(seatrial, house, "status")["experiment"]
    assert status["readout"]["judgement"] == "ship", status["readout"]["reason"]
    assert status["readout"]["control_units"] + status["readout"]["treatment_units"] == 2600
    text = seatrial("experiment", "status", "--report", "-C", house.directory).out
    page = Path(text.rpartition("Report: ")[2].strip())
    assert "ship" in page.read_text("utf-8")
    assert "version 2 against 1, running" in text
    assert "ship: bought" in text
    stopped = told(seatrial, house, "stop")
    assert (stopped["verdict"], stopped["next"]) == ("ship", f"seatrial release start {MODEL}@2")
    assert house.shares() == [(1, 100.0)]
    assert house.plane.experiments[MODEL] is None
    with Project(house.directory) as project:
        assert project.workshop.store.aliases(MODEL)[Alias.PRODUCTION] == 1, "no alias moves by an experiment"
        found = {one.check: one.verdict.word for one in project.workshop.store.findings(MODEL, 2)}
    assert found["experiments.primary"] == "pass"
    assert seatrial("release", "start", f"{MODEL}@2", "-C", house.directory).code == 0


def test_traffic_gets_back_also_where_the_journal_cannot_be_read(seatrial: Command, house: House) -> None:
    told(seatrial, house, "start", "--b", "2", "--metric", "bought")
    house.workshop().settings.journal_dir.mkdir(parents=True)
    with (house.directory / "seatrial.toml").open("a", encoding="utf-8") as settings:
        settings.write('[control]\ndata_plane_url = "http://127.0.0.1:9"\n')
    assert seatrial("experiment", "stop", "--json", "-C", house.directory).code == 3
    assert "end it first" in seatrial("release", "rollback", "-C", house.directory).err
    stopped = told(seatrial, house, "stop", "--verdict", "undecided", "--reason", "Customers call.")
    assert (stopped["verdict"], stopped["traffic"]) == ("undecided", "not_yet")


def test_an_experiment_that_shows_nothing_says_nothing_about_the_version(seatrial: Command, house: House) -> None:
    assert "No experiment of tiny yet" in seatrial("experiment", "status", "-C", house.directory).out
    begun = seatrial("experiment", "start", "--b", "2", "--metric", "bought", "-C", house.directory)
    assert "No control plane is running" in begun.out
    assert "--reason" in refused(seatrial, house, "stop", "--verdict", "ship")
    assert "no verdict 'win'" in refused(seatrial, house, "stop", "--verdict", "win")
    ended = seatrial("experiment", "stop", "--verdict", "keep", "--reason", "No time.", "-C", house.directory)
    assert "is over: keep." in ended.out
    assert "No experiment of tiny is under way" in refused(seatrial, house, "stop")
    assert "is under way" in refused(seatrial, house, "epoch", "--units", "50")
    assert seatrial("release", "start", f"{MODEL}@2", "-C", house.directory).code == 0
    assert "Release" in refused(seatrial, house, "start", "--b", "2", "--metric", "bought")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--b", "1", "--metric", "bought"), "itself"),
        (("--b", "2", "--metric", "bought", "--share", "100"), "one arm empty"),
        (("--b", "2", "--metric", "bought", "--units", "0"), "takes new units in"),
        (("--b", "2", "--metric", "bought:odd"), "says nothing about a metric"),
        (("--b", "2", "--metric", "bought:gain=much"), "no number"),
        (("--b", "2", "--metric", "bought", "--guardrail", "paid"), "margin=X"),
        (("--b", "2", "--metric", "bought", "--outcome-window", "soon"), "no time"),
        (("--b", "other@2", "--metric", "bought"), "another model"),
        (("--a", "2", "--b", "1", "--metric", "bought"), "--any-control"),
    ],
)
def test_what_no_experiment_can_be_is_refused(
    seatrial: Command, house: House, words: tuple[str, ...], reason: str
) -> None:
    assert reason in refused(seatrial, house, "start", *words)
    assert not house.plane.applied


def test_a_version_whose_findings_fail_meets_nobody(seatrial: Command, house: House) -> None:
    workshop = house.workshop()
    enrol(workshop, 0.25, Verdict.FAIL)
    workshop.close()
    document = told(seatrial, house, "start", "--b", "3", "--metric", "bought", code=1)
    assert [finding["verdict"] for finding in document["against"]] == ["fail"]
    assert document["experiment"] is None
    assert "takes part in no experiment" in seatrial(
        "experiment", "start", "--b", "3", "--metric", "bought", "-C", house.directory
    ).out  # fmt: skip
    assert not house.plane.applied


def test_unknown_versions_and_second_experiments_are_refused(seatrial: Command, house: House) -> None:
    assert "9" in refused(seatrial, house, "start", "--b", "9", "--metric", "bought")
    told(seatrial, house, "start", "--b", "2", "--metric", "bought")
    assert "is under way" in refused(seatrial, house, "start", "--b", "2", "--metric", "bought")
    assert "Experiment" in seatrial("release", "start", f"{MODEL}@2", "-C", house.directory).err


def test_a_plan_says_how_many_units_it_takes(seatrial: Command, house: House) -> None:
    needed = told(seatrial, house, "plan", "--metric", "bought:binary", "--value", "0.2", "--effect", "0.02")
    assert 10_000 < needed["median"] < 16_000 < needed["wanted_power"] < 30_000
    assert needed["exposed"] == needed["wanted_power"] / 2
    more = told(seatrial, house, "plan", "--metric", "bought:binary", "--value", "0.2", "--effect", "0.01")
    assert more["median"] > 2 * needed["median"]
    held = seatrial(
        "experiment", "plan", "--metric", "right:binary:margin=0.02", "--value", "0.9", "-C", house.directory
    )
    assert held.code == 0
    assert held.out.startswith("right: shown after ")
    assert "which effect" in refused(seatrial, house, "plan", "--metric", "bought:binary", "--value", "0.2")
