"""Commands that look after an installation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command


def test_settings_are_shown_with_their_origin_and_without_secrets(
    seatrial: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seatrial.toml").write_text("[serving]\nport = 8081\n")
    monkeypatch.setenv("SEATRIAL_STORE__DATABASE_URL", "postgresql://ann:secret@db/seatrial")
    document = json.loads(seatrial("config", "show", "-C", tmp_path, "--json").out)
    assert document["serving.port"] == {"value": "8081", "origin": str(tmp_path / "seatrial.toml")}
    assert document["serving.host"]["origin"] == "default"
    assert document["store.database_url"]["value"] == "postgresql://ann:***@db/seatrial"
    table = seatrial("config", "show", "-C", tmp_path).out
    assert table.splitlines()[0].split() == ["setting", "value", "from"]
    assert ":secret@" not in table


def test_the_doctor_says_what_works(seatrial: Command, tmp_path: Path) -> None:
    ended = seatrial("doctor", "-C", tmp_path)
    assert ended.code == 0
    assert "settings" in ended.out
    document = json.loads(seatrial("doctor", "-C", tmp_path, "--json").out)
    assert {check["state"] for check in document} <= {"ok", "note"}


def test_a_fault_of_the_settings_is_code_2_and_one_outside_is_code_3(
    seatrial: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_STORE__DATABASE_URL", "postgresql://127.0.0.1:9/seatrial")
    assert seatrial("doctor", "-C", tmp_path).code == 3
    monkeypatch.setenv("SEATRIAL_STORE__DATABASE_URL", "mysql://x")
    ended = seatrial("doctor", "-C", tmp_path, "--json")
    assert ended.code == 2
    assert [check["what"] for check in json.loads(ended.out) if check["state"] == "broken"] == ["ledger"]
    assert seatrial("doctor", "-C", tmp_path / "nowhere").code == 2


def test_a_new_key_is_shown_once_with_the_line_that_admits_it(seatrial: Command, tmp_path: Path) -> None:
    document = json.loads(seatrial("config", "new-key", "shop", "--requests-per-minute", "60", "--json").out)
    digest = hashlib.sha256(document["key"].encode()).hexdigest()
    assert document["line"] == f"shop:{digest}:60"
    shown = seatrial("config", "new-key", "shop").out
    assert "serving.api_keys_file" in shown
    assert document["key"] not in shown
    assert seatrial("config", "new-key", "a shop").code == 2


def test_a_new_webhook_secret_is_shown_once(seatrial: Command) -> None:
    document = json.loads(seatrial("config", "new-webhook-secret", "--json").out)
    shown = seatrial("config", "new-webhook-secret").out
    assert document["secret"].startswith("whsec_")
    assert "control.webhook_secret_file" in shown
    assert document["secret"] not in shown


def test_a_project_without_state_has_nothing_to_delete_or_back_up(seatrial: Command, tmp_path: Path) -> None:
    assert seatrial("gc", "-C", tmp_path).out == "0 deleted, 0 B in all.\n"
    assert json.loads(seatrial("gc", "--dry-run", "--json", "-C", tmp_path).out) == {
        "dry_run": True,
        "bytes": 0,
        "removed": [],
    }
    refused = seatrial("backup", tmp_path / "b", "-C", tmp_path)
    assert refused.code == 2
    assert "nothing to back up" in refused.err
    refused = seatrial("restore", tmp_path / "b", "--into", tmp_path / "p")
    assert refused.code == 2
    assert "no backup.json" in refused.err
    assert list(tmp_path.iterdir()) == []
