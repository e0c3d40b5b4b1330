"""The command line as an object."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import seatrial
from seatrial.config import load_settings
from seatrial.domain.errors import ConfigError, UsageError
from seatrial.domain.evidence import Verdict, worst
from seatrial.flows.project import refuse_namesakes
from seatrial.registry.memory_registry import MemoryRegistry
from tests.builders import LABELS, MAX_TOKENS, onnx_graph, tokenizer_json
from tests.handmade import MODEL, write_project


@pytest.fixture
def project(tmp_path: Path) -> seatrial.Project:
    made = seatrial.Project(write_project(tmp_path / "project"))
    made.workshop.registry = MemoryRegistry(tmp_path / "registry")
    return made


def test_the_whole_way_from_python(project: seatrial.Project) -> None:
    with project:
        version = project.train().version
        assert project.convert(version.ref).passed
        assert [row["version"] for row in project.versions()] == [1]
        assert project.show(MODEL)["aliases"] == ["production"]
        assert project.production_at(MODEL, datetime.now(UTC))[0] == 1
        assert {entry.model for entry in project.history(MODEL)} == {MODEL}
        assert worst(project.verify()) is Verdict.PASS


def test_a_model_from_elsewhere_from_python(project: seatrial.Project, tmp_path: Path) -> None:
    onnx_graph(tmp_path / "model.onnx")
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    (tmp_path / "config.json").write_text(f'{{"max_position_embeddings": {MAX_TOKENS}}}')
    with project:
        assert project.register(str(tmp_path / "model.onnx"), labels=LABELS).version.version == 1


def test_nothing_is_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    with seatrial.Project(tmp_path) as project:
        assert project.settings.project_dir == tmp_path.resolve()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_project_can_be_used_again(project: seatrial.Project) -> None:
    registry = project.workshop.registry
    with project:
        version = project.train().version
    project.workshop.registry = registry
    assert project.train().version == version
    project.close()
    project.close()


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_directory_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no directory"):
        seatrial.Project(tmp_path / name)


def test_settings_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text("[serving]\nport = 'eight'\n")
    with pytest.raises(ConfigError, match=r"serving\.port"):
        seatrial.Project(tmp_path)


def test_projects_of_one_model_may_not_share_a_process(tmp_path: Path) -> None:
    projects = [load_settings(tmp_path / name, environment={}) for name in ("one", "two")]
    refuse_namesakes(projects[:1])
    with pytest.raises(UsageError, match="both make"):
        refuse_namesakes(projects)
