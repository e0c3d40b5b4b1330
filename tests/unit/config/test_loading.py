"""Reading settings: who wins, what is refused and how the refusal helps."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.config import CONFIG_FILE, Settings, load_settings
from seatrial.domain.errors import ConfigError, UnknownSettingError


def load(directory: Path, toml: str | bytes = "", **variables: str) -> Settings:
    """Settings of a project with this file and these variables."""
    (directory / CONFIG_FILE).write_bytes(toml.encode() if isinstance(toml, str) else toml)
    return load_settings(directory, environment=variables)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, environment={})
    assert settings.serving.port == 8080
    assert settings.origins == {}
    assert settings.project_dir == tmp_path


def test_the_working_directory_and_the_process_s_variables_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_SERVING__PORT", "1234")
    for name in set(os.environ) & {"SEATRIAL_HOME"}:
        monkeypatch.delenv(name)
    settings = load_settings()
    assert (settings.project_dir, settings.serving.port) == (tmp_path, 1234)


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("[serving]\nport = 1\ninternal_port = 1\nmax_texts = 1\n", "utf-8")
    settings = load_settings(
        tmp_path,
        environment={"SEATRIAL_SERVING__PORT": "2", "SEATRIAL_SERVING__INTERNAL_PORT": "2"},
        overrides={"serving.port": 3},
    )
    serving = settings.serving
    assert (serving.port, serving.internal_port, serving.max_texts, serving.max_length) == (3, 2, 1, 128)
    assert settings.origins == {
        "serving.port": "command line",
        "serving.internal_port": "SEATRIAL_SERVING__INTERNAL_PORT",
        "serving.max_texts": str(tmp_path / CONFIG_FILE),
    }


def test_every_type_of_setting_is_read_from_a_variable(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        SEATRIAL_MODEL__NAME="other",
        SEATRIAL_TRAINING__EPOCHS="2.5",
        SEATRIAL_TRAINING__FREEZE_EMBEDDINGS="no",
        SEATRIAL_TRAINING__SEED="7",
        SEATRIAL_CONVERSION__PROFILE="portable",
        SEATRIAL_CONVERSION__TARGETS=" onnx-int8 , onnx-fp32, ",
        SEATRIAL_DATA__LABELS="负面,正面",
    )
    assert settings.model.name == "other"
    assert settings.training.epochs == 2.5
    assert settings.training.freeze_embeddings is False
    assert settings.training.seed == 7
    assert settings.conversion.profile == "portable"
    assert settings.conversion.targets == ("onnx-int8", "onnx-fp32")
    assert settings.data.labels == ("负面", "正面")


def test_an_empty_variable_empties_a_list(tmp_path: Path) -> None:
    assert load(tmp_path, '[data]\nlabels = ["a", "b"]', SEATRIAL_DATA__LABELS="").data.labels == ()


def test_a_list_of_the_file_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, '[conversion]\ntargets = ["onnx-int8"]').conversion.targets == ("onnx-int8",)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    assert load(tmp_path, "[training]\nepochs = 2").training.epochs == 2.0


def test_text_of_the_command_line_is_read_as_a_variable_is(tmp_path: Path) -> None:
    overrides: dict[str, Any] = {"serving.port": "9", "data.labels": "a,b", "conversion.targets": ["onnx-int8"]}
    settings = load_settings(tmp_path, environment={}, overrides=overrides)
    assert (settings.serving.port, settings.data.labels) == (9, ("a", "b"))
    assert settings.conversion.targets == ("onnx-int8",)


def test_an_empty_section_is_allowed(tmp_path: Path) -> None:
    assert load(tmp_path, "[serving]\n[data]\n") == load_settings(tmp_path, environment={})


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf[serving]\nport = 7\n").serving.port == 7


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[serve]\nport = 1", r"no section \[serve\]. Did you mean 'serving'\?"),
        ("[serve]", r"no section \[serve\]. Did you mean 'serving'\?"),
        ("[zzz]", r"no section \[zzz\]. It has: model, data, .*serving, .*store"),
        ("[serving]\nprot = 1", r"\[serving\] has no setting 'prot'. Did you mean 'port'\?"),
        ("[serving]\nzzz = 1", r"\[serving\] has no setting 'zzz'. It has: host, port, "),
        ("[serving.port]\nzzz = 1", "serving.port cannot be"),
        ("[serving.tls]\nzzz = 1", r"\[serving\] has no setting 'tls'"),
        ("port = 1", r"'port' stands outside a section: put it under one, like \[serving\]"),
        ("[[serving]]\nport = 1", "'serving' stands outside a section"),
    ],
)
def test_what_the_file_may_not_say(tmp_path: Path, toml: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, toml)
    assert str(tmp_path / CONFIG_FILE) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SEATRIAL_SERVING_PORT", "write SEATRIAL_SECTION__KEY, like SEATRIAL_SERVING__PORT"),
        ("SEATRIAL_SERVE__PORT", r"no section \[serve\]. Did you mean 'serving'\?"),
        ("SEATRIAL_SERVING__PROT", r"no setting 'prot'. Did you mean 'port'\?"),
        ("SEATRIAL_SERVING__", r"\[serving\] has no setting ''. It has: host"),
        ("SEATRIAL___PORT", r"no section \[_port\]|no section \[\]"),
        ("SEATRIAL_", "names no setting"),
        ("SEATRIAL_SERVING__PORT__X", "no setting 'port__x'. Did you mean 'port'"),
    ],
)
def test_variables_that_name_no_setting(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UnknownSettingError, match=message) as caught:
        load(tmp_path, **{name: "1"})
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["port", "serving", "serving.", "serving.prot", ".port", ""])
@pytest.mark.parametrize("value", [1, "1"])
def test_overrides_that_name_no_setting(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(UnknownSettingError, match=r"^command line: "):
        load_settings(tmp_path, environment={}, overrides={name: value})


def test_other_variables_of_ours_are_no_settings(tmp_path: Path) -> None:
    load(
        tmp_path,
        SEATRIAL_HOME="x",
        SEATRIAL_REQUIRE_ALL="1",
        SEATRIAL_API_KEY="k",
        SEATRIALS="1",
        seatrial_serving__port="x",
    )


@pytest.mark.parametrize(
    ("setting", "written"),
    [
        ("serving.port", '"8080"'),
        ("serving.port", "true"),
        ("serving.port", "8080.0"),
        ("serving.port", "-1"),
        ("serving.port", "65536"),
        ("serving.port", "[8080]"),
        ("serving.host", "1"),
        ("serving.max_texts", "0"),
        ("serving.deadline_s", "nan"),
        ("serving.deadline_s", "inf"),
        ("serving.deadline_s", "0"),
        ("serving.deadline_s", "true"),
        ("evaluation.accuracy_floor", "nan"),
        ("evaluation.accuracy_floor", "-0.1"),
        ("evaluation.accuracy_floor", "1.1"),
        ("evaluation.accuracy_floor", '"0.8"'),
        ("evaluation.confidence", "1"),
        ("evaluation.confidence", "0"),
        ("evaluation.baseline", "1"),
        ("evaluation.baseline", '"yes"'),
        ("data.labels", '"a"'),
        ("data.labels", "[1, 2]"),
        ("data.format", '"xml"'),
        ("conversion.targets", '["onnx-fp8"]'),
        ("model.name", '"a b"'),
        ("model.name", '"../up"'),
        ("model.name", '""'),
        ("model.name", "2026-11-22"),
        ("training.seed", "4294967296"),
        ("training.seed", "1" * 4000),
    ],
)
def test_an_impossible_value_of_the_file_is_refused_with_its_place(tmp_path: Path, setting: str, written: str) -> None:
    section, key = setting.split(".")
    with pytest.raises(ConfigError, match=rf"{re.escape(setting)}\S* cannot be ") as caught:
        load(tmp_path, f"[{section}]\n{key} = {written}")
    assert str(caught.value).startswith(str(tmp_path / CONFIG_FILE))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SEATRIAL_SERVING__PORT", "http"),
        ("SEATRIAL_SERVING__PORT", ""),
        ("SEATRIAL_SERVING__PORT", "80.5"),
        ("SEATRIAL_SERVING__PORT", "-1"),
        ("SEATRIAL_SERVING__PORT", "1" * 5000),
        ("SEATRIAL_EVALUATION__CONFIDENCE", "nan"),
        ("SEATRIAL_EVALUATION__CONFIDENCE", "inf"),
        ("SEATRIAL_EVALUATION__CONFIDENCE", "0,95"),
        ("SEATRIAL_EVALUATION__BASELINE", "perhaps"),
        ("SEATRIAL_CONVERSION__TARGETS", "onnx-fp32,onnx-fp8"),
        ("SEATRIAL_DATA__FORMAT", "CSV"),
    ],
)
def test_an_impossible_variable_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: .* cannot be "):
        load(tmp_path, **{name: text})


def test_an_impossible_override_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^command line: serving.port cannot be True: "):
        load_settings(tmp_path, environment={}, overrides={"serving.port": True})


def test_every_ratio_refuses_nan(tmp_path: Path) -> None:
    """Each limit a verdict hangs on: NaN would make every comparison false."""
    floats = [
        f"{section}.{key}"
        for section, kind in Settings.sections().items()
        for key, setting in kind.model_fields.items()
        if setting.annotation is float
    ]
    assert len(floats) > 15
    for setting in floats:
        for value in (float("nan"), float("inf"), float("-inf")):
            with pytest.raises(ConfigError, match=setting):
                load_settings(tmp_path, environment={}, overrides={setting: value})


def test_a_refusal_says_why_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[model]\nname = "a b"')
    assert str(caught.value) == (
        f"{tmp_path / CONFIG_FILE}: model.name cannot be 'a b': 'a b' cannot be a model name: use letters, digits, "
        "'.', '-' and '_', at most 100, starting with a letter or digit."
    )


def test_a_refusal_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[store]\ndatabase_url = ["postgresql://ann:secret@db/x"]')
    assert "secret" not in str(caught.value)
    assert "ann:***@db/x" in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"[serving", b"\xff\xfe", b"port: 1", b"[a]\n[a]", b"x = 1" + b"0" * 5000, b"a=" + b"[" * 9999]
)
def test_a_file_that_is_no_toml(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ConfigError, match=rf"{CONFIG_FILE} cannot be read as TOML"):
        load(tmp_path, text)


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).mkdir()
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_settings(tmp_path, environment={})


@given(st.binary(max_size=60))
def test_no_file_makes_it_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    directory = tmp_path_factory.getbasetemp() / "any-file"
    directory.mkdir(exist_ok=True)
    with contextlib.suppress(ConfigError):
        load(directory, text)


@pytest.mark.parametrize(
    ("home", "expected"), [("", ".seatrial"), ("state", "state"), ("../beside", "../beside"), ("/srv/x", "/srv/x")]
)
def test_the_home_is_relative_to_the_project(tmp_path: Path, home: str, expected: str) -> None:
    settings = load(tmp_path, SEATRIAL_HOME=home)
    assert settings.home == (tmp_path / expected).resolve()
