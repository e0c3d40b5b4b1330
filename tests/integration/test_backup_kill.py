"""Sudden ends of backup, restore and gc: whole or absent, and the same command again does the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.model import Alias
from seatrial.domain.progress import SILENT
from seatrial.flows import audit, followers
from seatrial.flows.backup import BackedUp, back_up
from seatrial.flows.backup_manifest import read_manifest, require_unaltered
from seatrial.flows.gc import collect
from seatrial.flows.restore import restore
from seatrial.store.store import Store
from seatrial.wiring.workshop import Workshop
from tests.backups import copy_of, opened, with_key
from tests.houses import MODEL, make_artifact
from tests.ledgers import note
from tests.serving_process import serving

ROOT = Path(__file__).parents[2]


def killed(directory: Path, place: str, *arguments: str | Path, by: str = "KILL") -> int:
    """Exit code of a command that is killed at a place in its acts below the directory."""
    command = [sys.executable, "-m", "tests.killed_command", directory, place, by, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120).returncode


def whole(directory: Path) -> None:
    manifest = read_manifest(directory)
    for name in manifest.files:
        require_unaltered(directory, manifest, name)


@pytest.mark.parametrize("place", ["2", "30"])
def test_a_killed_backup_is_absent_and_the_next_is_whole(origin: Workshop, tmp_path: Path, place: str) -> None:
    destination = tmp_path / "b"
    project = origin.settings.project_dir
    assert killed(tmp_path, place, "backup", destination, "-C", project) == -signal.SIGKILL
    assert not destination.exists()
    back_up(origin, destination, SILENT)
    whole(destination)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]  # nothing of the killed one is left


def test_ctrl_c_cleans_up(origin: Workshop, tmp_path: Path) -> None:
    assert killed(tmp_path, "12", "backup", tmp_path / "b", "-C", origin.settings.project_dir, by="INT") == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["25", "os.rename .seatrial.restored"])
def test_a_killed_restore_leaves_the_old_state_and_the_next_the_new(
    origin: Workshop, backup: BackedUp, tmp_path: Path, place: str
) -> None:
    """Killed while it copies, and between the two renames at its end, when the old state lies aside already."""
    directory = copy_of(origin, tmp_path / "p")
    old = opened(directory)
    last = note(old.store)
    old.close()
    code = killed(directory, place, "restore", backup.directory, "--into", directory, "--force")
    assert code == -signal.SIGKILL
    aside = list(directory.glob(".seatrial.before-*"))
    assert (directory / ".seatrial").exists() is not bool(aside)
    old_home = aside[0] if aside else directory / ".seatrial"
    with Store.open(f"sqlite:///{old_home}/seatrial.db") as store:
        assert list(store.entries())[-1] == last
    again = restore(backup.directory, with_key(directory), SILENT, force=not aside)
    assert again.production == {MODEL: 1}
    restored = opened(directory)
    assert audit.history(restored, MODEL) == audit.history(origin, MODEL)
    restored.close()
    assert not [name for name in directory.iterdir() if "partial" in name.name or name.name.endswith(".restored")]


@pytest.mark.parametrize("place", ["os.rename onnx-fp32", "shutil.rmtree "])
def test_a_killed_gc_leaves_a_record_that_verifies_and_the_next_finishes(
    origin: Workshop, tmp_path: Path, place: str
) -> None:
    directory = copy_of(origin, tmp_path / "p")
    bundle = directory / ".seatrial" / "bundles" / MODEL / "2" / "onnx-fp32"
    assert killed(directory / ".seatrial" / "bundles", place, "gc", "-C", directory) == -signal.SIGKILL
    workshop = opened(directory)
    assert worst(audit.verify(workshop, [])) is Verdict.PASS
    assert bundle.exists() is place.startswith("os.rename")
    collect(workshop, SILENT, now=datetime.now(UTC) + timedelta(days=1))
    assert {path.name for path in bundle.parents[1].iterdir()} == {"1", "3"}
    assert worst(audit.verify(workshop, [])) is Verdict.PASS
    workshop.close()


def test_backups_made_while_everything_moves_are_consistent(origin: Workshop, tmp_path: Path) -> None:
    """Aliases move, artifacts are made again and gc runs; each backup restores to a project that verifies."""
    directory = copy_of(origin, tmp_path / "busy")
    ended, faults = threading.Event(), list[Exception]()

    def live() -> None:
        workshop = opened(directory)
        try:
            for turn in range(10_000):
                if ended.is_set():
                    return
                followers.move(workshop, MODEL, {Alias.CANDIDATE: None if turn % 2 else 3}, "It moves.", ())
                make_artifact(workshop, workshop.registry.get_version(MODEL, 3))
                followers.anchor(workshop, MODEL)
        except Exception as error:  # noqa: BLE001  the outermost of its thread: the test raises it again
            faults.append(error)
        finally:
            workshop.close()

    living = threading.Thread(target=live)
    living.start()
    workshop = opened(directory)
    begun = workshop.store.head().seq
    try:
        made = [back_up(workshop, tmp_path / f"b{number}", SILENT) for number in range(3)]
    finally:
        ended.set()
        living.join()
    assert workshop.store.head().seq > begun
    workshop.close()
    assert not faults
    for number, backup in enumerate(made):
        assert backup.manifest.damaged == ()
        restored = restore(backup.directory, with_key(tmp_path / f"p{number}"), SILENT)
        wrong = [finding for finding in restored.findings if finding.verdict >= Verdict.ERROR]
        assert not wrong, wrong


def test_a_restored_project_is_served(backup: BackedUp, tmp_path: Path) -> None:
    directory = with_key(tmp_path / "p")
    restore(backup.directory, directory, SILENT)
    with serving([sys.executable, "-m", "seatrial.cli", "serve", f"{MODEL}@production"], directory) as plane:
        answer = plane.predict(["a good film", "an awful plot"])
    assert (answer["model"], answer["version"]) == (MODEL, "1")
    assert answer["predictions"] == ["positive", "negative"]
