"""`seatrial release`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.toml"
    file.write_text("steps = [10, 50, 100]\nmin_requests = 500\nbudget_requests = 3000\nbake_s = 0\n")
    return file


def test_a_rehearsal_is_printed_and_its_page_written(seatrial: Command, tmp_path: Path, plan: Path) -> None:
    words = ("release", "rehearse", "--plan", plan, "--scenario", "error-rise=10", "--runs", "3", "-C", tmp_path)
    ended = seatrial(*words, "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["rolled_back"] == len(document["runs"]) == 3
    assert Path(document["report"]).is_file()
    assert "3 rolled back" in seatrial(*words).out


def test_a_forecast_is_printed_and_one_without_power_is_refused(seatrial: Command, tmp_path: Path, plan: Path) -> None:
    (tmp_path / "seatrial.toml").write_text("[release]\neffect_error_ratio = 10\n")
    ended = seatrial("release", "plan", "--plan", plan, "-C", tmp_path)
    assert ended.code == 0
    assert "10 %" in ended.out
    assert "Hours at 50 requests/s, assumed." in ended.out
    (tmp_path / "seatrial.toml").write_text("[release]\neffect_error_ratio = 1.1\n")
    refused = seatrial("release", "plan", "--plan", plan, "-C", tmp_path, "--json")
    assert refused.code == 1
    assert json.loads(refused.out)["finding"]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("steps = [10, 50]", "the last one is 100"),
        ("[release]\nsteps = [120, 100]", "steps"),
        ("[release]\nstep = [10, 100]", "Did you mean 'steps'"),
        ("[release]\npreset = 'demo'\n[serving]\nport = 1", "more than a plan"),
        ("steps = [", "TOML"),
    ],
)
def test_a_plan_file_that_is_none_is_refused(seatrial: Command, tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    ended = seatrial("release", "rehearse", "--plan", tmp_path / "plan.toml", "-C", tmp_path)
    assert ended.code == 2
    assert reason in ended.err


def test_a_scenario_that_is_none_is_refused(seatrial: Command, tmp_path: Path) -> None:
    ended = seatrial("release", "rehearse", "--scenario", "rain=1", "-C", tmp_path)
    assert ended.code == 2
    assert "error-rise" in ended.err
