from __future__ import annotations

import tomllib
from pathlib import Path

from seatrial.config import Settings, load_settings
from seatrial.flows.template import settings_template, write_project


def test_the_template_as_written_gives_the_defaults(tmp_path: Path) -> None:
    write_project(tmp_path)
    settings = load_settings(tmp_path, environment={})
    assert settings.model_dump() == Settings().model_dump()


def test_uncommenting_every_line_gives_the_defaults_too(tmp_path: Path) -> None:
    lines = []
    for line in settings_template().splitlines():
        bare = line.removeprefix("# ")
        key = bare.partition(" = ")[0]
        lines.append(bare if " = " in bare and key.isidentifier() else line)
    document = tomllib.loads("\n".join(lines))
    for section, kind in Settings.sections().items():
        assert set(document[section]) == set(kind.model_fields), section
    (tmp_path / "seatrial.toml").write_text("\n".join(lines))
    assert load_settings(tmp_path, environment={}).model_dump() == Settings().model_dump()


def test_files_that_are_there_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text("[model]\nname = 'mine'\n")
    written = write_project(tmp_path)
    assert {path.name for path in written} == {"README.md", "ask.py"}
    assert "mine" in (tmp_path / "seatrial.toml").read_text()
    assert write_project(tmp_path) == []


def test_the_example_client_is_valid_python(tmp_path: Path) -> None:
    write_project(tmp_path)
    compile((tmp_path / "ask.py").read_text(), "ask.py", "exec")
