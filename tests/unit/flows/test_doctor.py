"""What the doctor says, and that looking changes nothing."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from seatrial.flows.doctor import Check, State, examine
from tests.handmade import write_project
from tests.houses import enrol, open_workshop
from tests.mlflow_stores import sqlite_registry


def checks_of(directory: Path) -> dict[str, Check]:
    return {check.what: check for check in examine(directory)}


@pytest.fixture(autouse=True)
def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_SERVING__PORT", "0")
    monkeypatch.setenv("SEATRIAL_SERVING__INTERNAL_PORT", "0")


def test_an_empty_directory_is_well_and_stays_empty(tmp_path: Path) -> None:
    checks = checks_of(tmp_path)
    assert not [check for check in checks.values() if check.state is State.BROKEN]
    assert checks["settings"].state is State.OK
    assert "none yet" in checks["ledger"].found
    assert "none yet" in checks["registry"].found
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_counted(tmp_path: Path, mlflow_database: Path) -> None:
    project = write_project(tmp_path)
    workshop = open_workshop(project)
    enrol(workshop)
    entries = workshop.store.head().seq
    workshop.close()
    sqlite_registry(project / ".seatrial", mlflow_database)
    checks = checks_of(project)
    assert (checks["ledger"].state, checks["registry"].state) == (State.OK, State.OK)
    assert checks["ledger"].found.endswith(f"seatrial.db, {entries} entries")
    assert checks["registry"].found.endswith("mlflow.db, 0 models")


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    home = tmp_path / ".seatrial"
    home.mkdir()
    (home / "seatrial.db").write_bytes(b"no database" * 100)
    ledger = checks_of(tmp_path)["ledger"]
    assert (ledger.state, ledger.outside) == (State.BROKEN, False)


def test_a_server_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"postgresql://ann:secret@127.0.0.1:{silent.getsockname()[1]}/seatrial"
        monkeypatch.setenv("SEATRIAL_STORE__DATABASE_URL", url)
        ledger = checks_of(tmp_path)["ledger"]
    assert (ledger.state, ledger.outside) == (State.BROKEN, True)
    assert "secret" not in ledger.found


def test_wrong_settings_are_told_and_the_rest_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_text("[serving]\nprot = 1\n")
    checks = checks_of(tmp_path)
    assert checks["settings"].state is State.BROKEN
    assert "prot" in checks["settings"].found
    assert checks["machine"].state is State.OK
    assert checks_of(tmp_path / "nowhere")["settings"].state is State.BROKEN


def test_a_taken_port_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("SEATRIAL_SERVING__PORT", str(taken.getsockname()[1]))
        checks = checks_of(tmp_path)
    assert checks["serving.port"].state is State.NOTE
    assert "in use" in checks["serving.port"].found
    assert checks["serving.internal_port"].state is State.OK


def test_a_missing_extra_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".seatrial").mkdir()
    (tmp_path / ".seatrial" / "seatrial.db").touch()
    monkeypatch.delitem(sys.modules, "seatrial.store.store", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    ledger = checks_of(tmp_path)["ledger"]
    assert ledger.state is State.NOTE
    assert "pip install 'seatrial[control]'" in ledger.found


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", "/proc/seatrial")
    home = checks_of(tmp_path)["home"]
    assert (home.state, home.outside) == (State.BROKEN, True)
