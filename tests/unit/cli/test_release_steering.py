"""Releases by the command line, without a control plane, over a data plane that answers by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.latency import LatencyCounts
from seatrial.domain.model import Alias
from seatrial.flows.project import Project
from seatrial.wiring.workshop import Workshop
from tests.admin_server import admin_server
from tests.houses import MODEL
from tests.limits import file_size_limit
from tests.releases import House, new_house
from tests.unit.cli.conftest import Command

_SETTINGS = """\
[model]
name = "tiny"

[release]
steps = [10.0, 50.0, 100.0]
min_requests = 100
budget_requests = 400
effect_error_ratio = {effect}

[control]
data_plane_url = "{url}"
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A project whose registry is in memory and whose data plane is a server of the test."""
    made = new_house(tmp_path)
    monkeypatch.setattr(Workshop, "registry", made.registry)
    with admin_server(made.plane) as (url, _):
        (tmp_path / "seatrial.toml").write_text(_SETTINGS.format(url=url, effect=50.0), "utf-8")
        yield made


def told(seatrial: Command, house: House, *words: str, code: int = 0) -> Any:
    """The document of a release command."""
    ended = seatrial("release", *words, "--json", "-C", house.directory)
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def test_a_release_from_its_start_to_its_rollback(seatrial: Command, house: House) -> None:
    started = told(seatrial, house, "start", f"{MODEL}@2")
    assert started["traffic"] == "here"
    assert house.shares() == [(2, 10.0), (1, 90.0)]
    status = told(seatrial, house, "status")
    assert status["release"]["release"] == started["release"]
    assert status["release"]["step"] == 1
    assert told(seatrial, house, "pause", MODEL, "--reason", "A sale.")["phase"] == "paused"
    assert told(seatrial, house, "resume")["phase"] == "running"
    promoted = told(seatrial, house, "promote", "--reason", "Seen enough.")
    assert promoted["act"] == "promote"
    assert house.shares() == [(2, 50.0), (1, 50.0)]
    rolled = told(seatrial, house, "rollback", "--reason", "Customers call.")
    assert (rolled["phase"], rolled["traffic"]) == ("rolled_back", "here")
    assert house.shares() == [(1, 100.0)]
    with Project(house.directory) as project:
        assert project.workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}


def test_people_read_where_it_stands(seatrial: Command, house: House) -> None:
    assert "No release of tiny yet" in seatrial("release", "status", "-C", house.directory).out
    started = seatrial("release", "start", f"{MODEL}@2", "-C", house.directory)
    assert "tiny@2 over version 1." in started.out
    assert "No control plane is running" in started.out
    house.traffic(50)
    text = seatrial("release", "status", "-C", house.directory).out
    assert "running, step 1 of 2" in text
    assert "version 2 10 %, version 1 90 %" in text
    assert "requests are missing" in text
    assert "Rolled back" in seatrial("release", "rollback", "-C", house.directory).out


def test_a_version_whose_findings_fail_is_refused_and_they_are_named(seatrial: Command, house: House) -> None:
    with Project(house.directory) as project:
        failed = Finding("acceptance.overload", f"{MODEL}@2", Verdict.FAIL, "It did not shed.")
        project.workshop.store.record_findings(MODEL, 2, [failed], "ann")
    refused = seatrial("release", "start", f"{MODEL}@2", "-C", house.directory)
    assert refused.code == 1
    assert "acceptance.overload" in refused.out
    assert told(seatrial, house, "start", f"{MODEL}@2", code=1)["release"] is None
    assert house.plane.applied == []


def test_a_plan_that_is_too_weak_takes_a_person_and_a_reason(seatrial: Command, house: House) -> None:
    settings = house.directory / "seatrial.toml"
    settings.write_text(settings.read_text("utf-8").replace("= 50.0\n\n", "= 1.1\n\n"), "utf-8")
    weak = told(seatrial, house, "start", f"{MODEL}@2", code=1)
    assert "is found with power" in weak["decision"]["reason"]
    assert seatrial("release", "start", f"{MODEL}@2", "--force", "-C", house.directory).code == 2
    forced = told(seatrial, house, "start", f"{MODEL}@2", "--force", "--reason", "A hot fix.")
    assert "human.override" in [finding["check"] for finding in forced["decision"]["findings"]]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("start", f"{MODEL}@1"), 2),
        (("start", f"{MODEL}@9"), 2),
        (("pause",), 2),
        (("rollback",), 2),
        (("promote", "--break-glass"), 2),
        (("approve", "other"), 2),
    ],
)
def test_what_is_not_possible_is_a_sentence_and_a_code(
    seatrial: Command, house: House, words: tuple[str, ...], code: int
) -> None:
    ended = seatrial("release", *words, "-C", house.directory)
    assert ended.code == code
    assert ended.err.startswith("seatrial: ")


def test_a_forecast_takes_its_hours_from_live_traffic(seatrial: Command, house: House) -> None:
    seen = house.plane.latencies(MODEL, 1)
    house.plane.counted(replace(seen, over_s=seen.requests * 4.0))
    live = told(seatrial, house, "plan")
    assert live["requests_per_s"] == pytest.approx(0.25)
    assert live["steps"][0]["budget_h"] == pytest.approx(400 / 0.25 / 3600)
    assert live["requests_per_s_origin"].startswith(f"from live traffic: {seen.requests} requests in ")
    stated = told(seatrial, house, "plan", "--scenario", "requests-per-s=2")
    assert (stated["requests_per_s"], stated["requests_per_s_origin"]) == (2.0, "assumed")
    house.plane.counted(LatencyCounts(seen.edges_s, (99, *[0] * len(seen.edges_s)), 1.0))
    assert told(seatrial, house, "plan")["requests_per_s_origin"] == "assumed", "too few to tell"
    house.plane.answers = False
    assert told(seatrial, house, "plan")["requests_per_s_origin"] == "assumed"


@pytest.mark.parametrize("steps", ["[50.0, 10.0, 100.0]", "[10.0, 50.0]", "[10.0, 101.0]", "[]"])
@pytest.mark.parametrize("command", [("plan",), ("rehearse",), ("start", f"{MODEL}@2")], ids=" ".join)
def test_impossible_shares_are_refused_before_anything_else(
    seatrial: Command, house: House, command: tuple[str, ...], steps: str
) -> None:
    settings = house.directory / "seatrial.toml"
    settings.write_text(settings.read_text("utf-8").replace("[10.0, 50.0, 100.0]", steps), "utf-8")
    ended = seatrial("release", *command, "-C", house.directory)
    assert ended.code == 2
    assert ended.err.startswith("seatrial: ")
    assert "steps" in ended.err
    assert house.plane.applied == []


def test_a_release_that_runs_is_not_started_again_and_keeps_its_plan(seatrial: Command, house: House) -> None:
    started = told(seatrial, house, "start", f"{MODEL}@2")
    settings = house.directory / "seatrial.toml"
    settings.write_text(settings.read_text("utf-8").replace("[10.0, 50.0, 100.0]", "[90.0, 100.0]"), "utf-8")
    again = seatrial("release", "start", f"{MODEL}@2", "-C", house.directory)
    assert again.code == 2
    assert f"Release {started['release']} of {MODEL} is under way" in again.err
    assert told(seatrial, house, "promote", "--reason", "Seen enough.")["traffic"] == "here"
    assert house.shares() == [(2, 50.0), (1, 50.0)], "the second step of the plan that was asked for"


def test_a_data_plane_that_is_away_is_told_and_what_was_done_follows_when_it_returns(
    seatrial: Command, house: House
) -> None:
    told(seatrial, house, "start", f"{MODEL}@2")
    house.plane.answers = False
    assert told(seatrial, house, "status")["release"]["phase"] == "running"
    rolled = told(seatrial, house, "rollback", "--reason", "Customers call.")
    assert (rolled["phase"], rolled["traffic"]) == ("rolled_back", "not_yet")
    assert house.shares() == [(2, 10.0), (1, 90.0)]
    house.plane.answers = True
    with Project(house.directory) as project:
        assert house.controller(project.workshop).look() is not None
    assert house.shares() == [(1, 100.0)]


def test_a_full_disk_is_told_and_nothing_is_on_record(seatrial: Command, house: House) -> None:
    with Project(house.directory) as project:
        head = project.workshop.store.head()
    with file_size_limit(1024):
        ended = seatrial("release", "start", f"{MODEL}@2", "-C", house.directory)
    assert ended.code == 3
    assert "No room for the ledger" in ended.err
    with Project(house.directory) as project:
        assert project.workshop.store.head() == head
        assert project.workshop.store.releases.of_model(MODEL) == []
    assert told(seatrial, house, "start", f"{MODEL}@2")["traffic"] == "here"


def test_without_a_data_plane_no_release_begins(seatrial: Command, house: House) -> None:
    house.plane.answers = False
    assert seatrial("release", "start", f"{MODEL}@2", "-C", house.directory).code == 3


def test_a_token_is_made_with_its_line(seatrial: Command) -> None:
    document = json.loads(seatrial("config", "new-token", "ann", "--role", "releaser", "--json").out)
    assert document["line"].startswith("ann:releaser:")
    assert "token: " in seatrial("config", "new-token", "ann").out
    assert seatrial("config", "new-token", "ann", "--role", "king").code == 2
