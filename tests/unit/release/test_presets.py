"""Plans from settings and presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.config import ReleaseSettings, load_settings
from seatrial.domain.errors import ConfigError, ReleasePlanError
from seatrial.release.presets import plan_from


def test_a_preset_gives_way_to_what_is_written() -> None:
    demo = plan_from(ReleaseSettings(preset="demo"))
    assert ([step.percent for step in demo.steps], demo.steps[0].budget_requests) == ([10.0, 50.0], 2_000)
    written = plan_from(ReleaseSettings(preset="demo", budget_requests=900))
    assert (written.steps[0].budget_requests, written.bake_s) == (900, 60.0)


def test_disagreement_is_watched_where_requests_are_mirrored() -> None:
    assert plan_from(ReleaseSettings()).guards.disagreement_weight == 0
    assert plan_from(ReleaseSettings(mirror_ratio=0.1)).guards.disagreement_weight > 0


@pytest.mark.parametrize(
    ("steps", "reason"),
    [((), "empty"), ((10.0, 50.0), "ends at 50 %"), ((50.0, 10.0, 100.0), "must rise"), ((100.0,), "compares nothing")],
)
def test_impossible_steps_are_refused(steps: tuple[float, ...], reason: str) -> None:
    with pytest.raises(ReleasePlanError, match=reason):
        plan_from(ReleaseSettings(steps=steps))


def test_steps_can_be_written_in_file_and_variable(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text("[release]\nsteps = [10, 100]\n")
    assert load_settings(tmp_path, environment={}).release.steps == (10.0, 100.0)
    environment = {"SEATRIAL_RELEASE__STEPS": "5, 50, 100"}
    assert load_settings(tmp_path, environment=environment).release.steps == (5.0, 50.0, 100.0)
    with pytest.raises(ConfigError, match="steps"):
        load_settings(tmp_path, environment={"SEATRIAL_RELEASE__STEPS": "five,100"})
