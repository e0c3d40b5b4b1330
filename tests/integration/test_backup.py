"""Backup and restore of a real project with a real registry, over sqlite and PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from seatrial.cli import upkeep
from seatrial.domain.errors import BackupError, ConfigError, StorageFullError, UnreachableError, UsageError
from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.progress import SILENT
from seatrial.flows import audit
from seatrial.flows.backup import BackedUp, back_up
from seatrial.flows.followers import anchor
from seatrial.flows.lock import project_lock
from seatrial.flows.restore import Restored, restore
from seatrial.wiring.workshop import Workshop
from tests.backups import KEY, SETTINGS, copy_of, opened, sealed, with_key
from tests.houses import MODEL
from tests.ledgers import note, tamper
from tests.limits import file_size_limit
from tests.servers import postgresql


@pytest.fixture
def spoilt(backup: BackedUp, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(backup.directory, tmp_path / "spoilt"))


def same_life(origin: Workshop, directory: Path) -> None:
    """History, roles and bundles are the same to the last byte."""
    workshop = opened(directory)
    try:
        assert audit.history(workshop, MODEL) == audit.history(origin, MODEL)
        assert workshop.store.aliases(MODEL) == origin.store.aliases(MODEL)
        assert workshop.index.read() == origin.index.read()
        for number in (1, 2, 3):
            version = workshop.registry.get_version(MODEL, number)
            fetched = workshop.registry.fetch_bundle(version, "source", directory / f"fetched-{number}")
            assert (fetched / "model.onnx").is_file()
            assert str(origin.settings.home) not in workshop.registry.source_uri(version)
    finally:
        workshop.close()


def test_a_backup_names_what_it_holds_and_takes_no_secrets(origin: Workshop, backup: BackedUp) -> None:
    files = set(backup.manifest.files)
    assert {"store.jsonl", "mlflow.db", "bundles/index.json", "project/seatrial.toml"} <= files
    assert f"bundles/{MODEL}/1/onnx-fp32/model.onnx" in files
    assert any(name.startswith("home/mlartifacts/") for name in files)
    journal = "home/journal/0001764037284123.journal"
    assert (backup.directory / journal).read_bytes() == b'65253ccb {"at_s":1.5}\n'  # whole lines
    assert not {"home/key", "home/traffic.json", "home/seatrial.db", "home/mlflow.db"} & files
    assert not [name for name in files if "cache/" in name or ".index.json" in name or name.endswith(".lock")]
    assert backup.manifest.left_out == ("key: a secret",)
    assert b"a key of the auditors" not in b"".join(p.read_bytes() for p in backup.directory.rglob("*") if p.is_file())
    assert backup.manifest.head == origin.store.head().to_text()
    assert backup.to_json()["production"] == {MODEL: 1}
    assert backup.manifest.damaged == ()


def test_a_restored_project_is_the_one_that_was_backed_up(origin: Workshop, backup: BackedUp, tmp_path: Path) -> None:
    directory = tmp_path / "again" / "here"
    (directory / ".seatrial").mkdir(parents=True)
    (directory / ".seatrial" / ".lock").touch()
    (directory / "seatrial.toml").write_text(SETTINGS)
    restored = restore(backup.directory, directory, SILENT)
    signature = [finding for finding in restored.findings if finding.check == "ledger.signature"]
    assert [finding.verdict for finding in signature] == [Verdict.INCONCLUSIVE]  # the key is not in the backup
    assert worst([f for f in restored.findings if f not in signature]) is Verdict.PASS, restored.findings
    assert (restored.production, restored.kept) == ({MODEL: 1}, None)
    same_life(origin, directory)
    assert not list(directory.glob(".seatrial?*"))


def test_what_is_there_is_kept_aside_and_its_newer_head_is_reported(
    origin: Workshop, backup: BackedUp, tmp_path: Path
) -> None:
    directory = restored_to(backup, tmp_path / "p")
    workshop = opened(directory)
    note(workshop.store)
    anchor(workshop, MODEL)
    workshop.close()
    with pytest.raises(UsageError, match="is not empty"):
        restore(backup.directory, directory, SILENT)
    again = restore(backup.directory, directory, SILENT, force=True)
    failed = {finding.check: finding.reason for finding in again.findings if finding.verdict is Verdict.FAIL}
    assert set(failed) == {"ledger.anchor"}
    assert "its end was cut off" in failed["ledger.anchor"]
    assert again.kept is not None
    assert (again.kept / "seatrial.db").is_file()
    same_life(origin, directory)


def restored_to(backup: BackedUp, directory: Path, database_url: str = "") -> Path:
    """Restored without the key, which no backup holds."""
    directory.mkdir(parents=True)
    store = f'[store]\ndatabase_url = "{database_url}"\n' if database_url else ""
    (directory / "seatrial.toml").write_text(SETTINGS + store)
    found: Restored = restore(backup.directory, directory, SILENT)
    assert {f.check for f in found.findings if f.verdict is not Verdict.PASS} == {"ledger.signature"}, found.findings
    return directory


def test_into_postgresql_and_from_there_back_into_sqlite(origin: Workshop, backup: BackedUp, tmp_path: Path) -> None:
    with postgresql() as url:
        directory = restored_to(backup, tmp_path / "pg", url)
        assert not (directory / ".seatrial" / "seatrial.db").exists()
        same_life(origin, directory)
        workshop = opened(directory)
        second = back_up(workshop, tmp_path / "tuesday", SILENT)
        assert (second.directory / "store.jsonl").read_bytes() == (backup.directory / "store.jsonl").read_bytes()
        note(workshop.store)
        workshop.close()
        (tmp_path / "other").mkdir()
        shutil.copy(directory / "seatrial.toml", tmp_path / "other")
        with pytest.raises(UsageError, match="never overwritten"):
            restore(backup.directory, tmp_path / "other", SILENT, force=True)
        assert sorted(path.name for path in (tmp_path / "other").iterdir()) == [".seatrial", "seatrial.toml"]
        same_life(origin, restored_to(second, tmp_path / "back"))


def test_passwords_are_left_out_of_the_settings(origin: Workshop, tmp_path: Path) -> None:
    directory = copy_of(origin, tmp_path / "p")
    (directory / "seatrial.toml").write_text(SETTINGS + '# database_url = "postgresql://ann:pw@127.0.0.1:9/x"\n')
    workshop = opened(directory)
    made = back_up(workshop, tmp_path / "b", SILENT)
    workshop.close()
    text = (made.directory / "project" / "seatrial.toml").read_text()
    assert "ann:***@" in text
    assert "pw" not in text
    assert "seatrial.toml: its passwords, written as ***" in made.manifest.left_out


def test_settings_that_lack_a_password_are_not_used(spoilt: Path, tmp_path: Path) -> None:
    text = SETTINGS + '[store]\ndatabase_url = "postgresql://ann:***@127.0.0.1:9/x"\n'
    (spoilt / "project" / "seatrial.toml").write_text(text)
    document = json.loads((spoilt / "backup.json").read_text())
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    document["files"]["project/seatrial.toml"] = {"sha256": sha256, "size_bytes": len(text)}
    (spoilt / "backup.json").write_text(sealed(document))
    with pytest.raises(ConfigError, match="its password was left out"):
        restore(spoilt, tmp_path / "p", SILENT)
    assert not (tmp_path / "p").exists()


def test_keys_that_no_backup_holds_are_asked_for_first_and_stay(backup: BackedUp, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no backup holds keys"):
        restore(backup.directory, tmp_path / "p", SILENT)
    assert not (tmp_path / "p").exists()
    directory = with_key(tmp_path / "p")
    (directory / ".seatrial" / "key").chmod(0o600)
    restored = restore(backup.directory, directory, SILENT)  # a home with keys alone is an empty one
    assert worst(restored.findings) is Verdict.PASS
    assert (directory / ".seatrial" / "key").read_bytes() == b"a key of the auditors"
    assert (directory / ".seatrial" / "key").stat().st_mode & 0o777 == 0o600
    assert (directory / "seatrial.toml").read_text() == SETTINGS + KEY


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("store.jsonl", lambda path: path.write_bytes(path.read_bytes()[:-40]), r"store\.jsonl is damaged"),
        ("mlflow.db", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), r"mlflow\.db is damaged"),
        (f"bundles/{MODEL}/1/onnx-fp32/model.onnx", lambda path: path.write_bytes(b""), r"model\.onnx is damaged"),
        (f"bundles/{MODEL}/1/onnx-fp32/model.onnx", lambda path: path.unlink(), r"model\.onnx is missing"),
        ("project/seatrial.toml", lambda path: path.write_text("[model]"), r"seatrial\.toml is damaged"),
        ("backup.json", lambda path: path.unlink(), r"no backup\.json"),
        ("backup.json", lambda path: path.write_text(path.read_text()[:-200]), r"backup\.json cannot be used"),
        ("backup.json", lambda path: path.write_text("[]"), r"backup\.json cannot be used"),
        ("backup.json", lambda p: p.write_text(p.read_text().replace('"tiny"', '"tini"')), "altered after"),
        ("home/more", lambda path: path.write_text("x"), "is not in backup"),
        ("home/journal/x", lambda path: path.symlink_to("/etc/passwd"), "is not in backup"),
    ],
)  # fmt: skip
def test_a_damaged_backup_is_refused_by_the_name_of_the_file(
    spoilt: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(spoilt / name)
    with pytest.raises(BackupError, match=reason):
        restore(spoilt, with_key(tmp_path / "p"), SILENT)
    assert {path.name for path in (tmp_path / "p").rglob("*")} <= {".seatrial", ".lock", "key"}


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "home/../../outside", "home//x", "backup.json"])
def test_a_name_that_leads_out_is_refused(spoilt: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("mine")
    document = json.loads((spoilt / "backup.json").read_text())
    document["files"][name] = {"sha256": "0" * 64, "size_bytes": 4}
    (spoilt / "backup.json").write_text(sealed(document))
    with pytest.raises(BackupError, match="leads out of the backup"):
        restore(spoilt, tmp_path / "p", SILENT)


def test_a_link_in_place_of_a_file_is_refused(spoilt: Path, tmp_path: Path) -> None:
    path = spoilt / "bundles" / MODEL / "1" / "onnx-fp32"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="is a link"):
        restore(spoilt, tmp_path / "p", SILENT)


def test_a_tampered_ledger_is_restored_only_to_be_reported(origin: Workshop, tmp_path: Path) -> None:
    workshop = opened(copy_of(origin, tmp_path / "tampered"))
    tamper(workshop.settings.database_url, "UPDATE ledger SET actor = 'mallory' WHERE seq = 2")
    made = back_up(workshop, tmp_path / "b", SILENT)
    workshop.close()
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "seatrial.toml").write_text(f'[model]\nname = "{MODEL}"\n')
    found = restore(made.directory, tmp_path / "p", SILENT)
    assert "ledger.chain" in {finding.check for finding in found.findings if finding.verdict is Verdict.FAIL}


def test_a_destination_that_is_taken_or_within_is_refused(origin: Workshop, backup: BackedUp, tmp_path: Path) -> None:
    for place, reason in ((backup.directory, "there already"), (origin.settings.home / "b", "lies within")):
        with pytest.raises(UsageError, match=reason):
            back_up(origin, place, SILENT)
    (tmp_path / "empty").mkdir()
    nothing = opened(tmp_path / "empty")
    with pytest.raises(UsageError, match="nothing to back up"):
        back_up(nothing, tmp_path / "b", SILENT)
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_a_full_disk_leaves_nothing_half(origin: Workshop, backup: BackedUp, tmp_path: Path) -> None:
    origin.store.head()
    with file_size_limit(100_000), pytest.raises(StorageFullError):
        back_up(origin, tmp_path / "b", SILENT)
    assert list(tmp_path.iterdir()) == []
    with file_size_limit(100_000), pytest.raises(StorageFullError):
        restore(backup.directory, with_key(tmp_path / "p"), SILENT)
    assert {path.name for path in (tmp_path / "p").rglob("*")} <= {".seatrial", ".lock", "key"}


def test_a_restore_waits_for_nobody(backup: BackedUp, tmp_path: Path) -> None:
    with project_lock(tmp_path / ".seatrial"), pytest.raises(UnreachableError, match="Another command"):
        restore(backup.directory, with_key(tmp_path), SILENT, force=True)


def test_a_state_that_a_control_plane_works_on_is_not_replaced(
    origin: Workshop, backup: BackedUp, tmp_path: Path
) -> None:
    directory = copy_of(origin, tmp_path / "p")
    workshop = opened(directory)
    assert workshop.store.releases.lease("pod-1", time.time(), 30.0)
    with pytest.raises(UnreachableError, match=r"control plane works on .*pod-1"):
        restore(backup.directory, directory, SILENT, force=True)
    workshop.store.releases.yield_lease("pod-1")
    workshop.close()
    assert restore(backup.directory, directory, SILENT, force=True).kept


def test_a_bundle_that_is_damaged_here_is_copied_and_named(
    origin: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.flows.backup._PAUSE_S", 0.0)
    directory = copy_of(origin, tmp_path / "p")
    (directory / ".seatrial" / "bundles" / MODEL / "3" / "onnx-fp32" / "model.onnx").write_bytes(b"?")
    workshop = opened(directory)
    made = back_up(workshop, tmp_path / "b", SILENT)
    workshop.close()
    assert [line.partition(":")[0] for line in made.manifest.damaged] == [f"bundles/{MODEL}/3/onnx-fp32"]


def test_the_commands_say_what_they_did(
    origin: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_of(origin, tmp_path / "p"))
    upkeep.collect(dry_run=True)
    planned = capsys.readouterr().out
    assert f"{MODEL}@2/onnx-fp32" in planned
    assert "1 would go" in planned
    upkeep.collect(as_json=True)
    assert json.loads(capsys.readouterr().out)["removed"][0]["kind"] == "bundle"
    upkeep.backup(tmp_path / "b")
    said = capsys.readouterr().out
    assert "left out: key: a secret" in said
    assert f"read back, in {tmp_path / 'b'}" in said
    upkeep.restore(tmp_path / "b", into=with_key(tmp_path / "again"))
    assert capsys.readouterr().out.splitlines()[-1] == f"{MODEL}@1 is in production."
    workshop = opened(tmp_path / "p")
    note(workshop.store)
    workshop.close()
    with pytest.raises(typer.Exit) as ended:  # the ledger that is replaced went further
        upkeep.restore(tmp_path / "b", into=Path(), force=True, as_json=True)
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["production"] == {MODEL: 1}
