"""Commands about registry and ledger."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.cli.models import _moment
from seatrial.domain.errors import UsageError
from seatrial.domain.model import Alias
from seatrial.flows.project import Project
from tests.handmade import MODEL, write_project
from tests.unit.cli.conftest import Command


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """A project with version 1 in production."""
    directory = write_project(tmp_path_factory.mktemp("models") / "project")
    (directory / ".seatrial").mkdir()
    shutil.copyfile(mlflow_database, directory / ".seatrial" / "mlflow.db")
    with Project(directory) as project:
        project.convert(project.train().version.ref)
    return directory


def test_an_empty_project_says_how_to_begin(seatrial: Command, project: Path) -> None:
    assert seatrial("models", "list", "-C", project).out == "No versions yet: make one with seatrial train.\n"
    assert json.loads(seatrial("models", "list", "-C", project, "--json").out) == []


def test_versions_are_listed(seatrial: Command, life: Path) -> None:
    heading, row = seatrial("models", "list", "-C", life).out.splitlines()
    assert heading.split() == ["version", "aliases", "findings", "artifacts", "registered"]
    assert row.split()[:4] == [f"{MODEL}@1", "production", "pass", "onnx-fp32"]
    (document,) = json.loads(seatrial("models", "list", "-C", life, "--json").out)
    assert document["version"] == 1


def test_a_version_is_shown(seatrial: Command, life: Path) -> None:
    shown = seatrial("models", "show", MODEL, "-C", life).out
    assert "lineage.origin" in shown
    assert "evaluation.accuracy_floor" in shown
    assert "onnx-fp32" in shown
    assert json.loads(seatrial("models", "show", MODEL, "-C", life, "--json").out)["aliases"] == ["production"]


def test_history_lists_every_entry(seatrial: Command, life: Path) -> None:
    document = json.loads(seatrial("models", "history", MODEL, "-C", life, "--json").out)
    assert {"registered", "finding", "artifact", "alias"} == {entry["kind"] for entry in document}
    text = seatrial("models", "history", MODEL, "-C", life).out
    assert "First release" in text
    assert "pass evaluation.accuracy_floor:" in text
    assert "servable" in text


def test_history_answers_what_was_in_production_and_why(seatrial: Command, life: Path) -> None:
    now = seatrial("models", "history", MODEL, "--at", "2999-01-01", "-C", life).out
    assert f"{MODEL}@1 was in production at 2999-01-01." in now
    assert "First release" in now
    assert "conversion.flip_rate" in now
    before = seatrial("models", "history", MODEL, "--at", "2020-01-01", "-C", life).out
    assert before == f"Nothing was in production of {MODEL} at 2020-01-01.\n"
    document = json.loads(seatrial("models", "history", MODEL, "--at", "2999-01-01", "-C", life, "--json").out)
    assert (document["version"], document["entry"]["kind"]) == (1, "alias")


def test_a_record_that_verifies_is_code_0_and_one_that_does_not_is_code_1(seatrial: Command, life: Path) -> None:
    assert seatrial("models", "verify", "-C", life).code == 0
    ended = seatrial("models", "verify", MODEL, "--head", f"1:{'a' * 64}", "-C", life, "--json")
    assert ended.code == 1
    assert {f["check"] for f in json.loads(ended.out) if f["verdict"] == "fail"} == {"ledger.anchor"}


def test_a_foreign_move_is_told_in_words(seatrial: Command, life: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(life, tmp_path / "copy")
    with Project(copy) as project:
        project.workshop.registry.delete_alias(MODEL, Alias.PRODUCTION)
    assert seatrial("models", "verify", "--repair", "-C", copy).code == 1
    assert seatrial("models", "verify", "-C", copy).code == 0
    told = seatrial("models", "history", MODEL, "-C", copy).out
    assert "alias production at None, on record 1: seen" in told
    assert "alias production at None, on record 1: taken back" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nobody@1"], "no model"),
        (["show", f"{MODEL}@9"], "9"),
        (["history", "nobody"], "Nothing is on record"),
        (["history", "nobody", "--at", "2026-03-03"], "Nothing is on record"),
        (["history", MODEL, "--at", "yesterday"], "is no date"),
        (["verify", "nobody"], "no model 'nobody'"),
        (["verify", "--head", "3"], "no ledger head"),
    ],
)
def test_a_mistake_is_code_2_and_a_sentence(seatrial: Command, life: Path, arguments: list[str], words: str) -> None:
    ended = seatrial("models", *arguments, "-C", life)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-03", datetime(2026, 3, 3, 23, 59, 59, 999_999, UTC)),
        ("20260303", datetime(2026, 3, 3, 23, 59, 59, 999_999, UTC)),
        ("2026-03-03T14:30", datetime(2026, 3, 3, 14, 30, tzinfo=UTC)),
        ("2026-03-03T14:30+08:00", datetime(2026, 3, 3, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_date_means_its_end_and_a_time_is_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert _moment(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-03-03T25:00", "0001-01-01T00:00+14:00", "3"])
def test_a_date_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        _moment(text)
