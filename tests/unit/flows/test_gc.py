"""What gc deletes, what it never does, and that it may be killed anywhere."""

from __future__ import annotations

import copy
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.domain.errors import LedgerTamperedError, UnreachableError
from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.model import Alias
from seatrial.domain.progress import SILENT
from seatrial.domain.release import Action, Decision, Phase
from seatrial.flows import audit, followers, gc
from seatrial.flows.deploy import first_release
from seatrial.flows.gc import collect
from seatrial.flows.lock import project_lock
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.store.releases import ReleaseChange
from seatrial.wiring.workshop import Workshop
from tests.fuses import Fuse, Fused, Killed
from tests.houses import MODEL, enrol, make_artifact, open_workshop, promote
from tests.ledgers import tamper
from tests.releases import release_record

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> MemoryRegistry:
    """Versions 1 to 4: 1 was in production, 2 is, 3 was never served, 4 is the candidate."""
    registry = MemoryRegistry(tmp_path_factory.mktemp("template") / "registry")
    workshop = open_workshop(registry.directory.parent, registry)
    for number in range(1, 5):
        version = enrol(workshop, 1.0 / number)
        make_artifact(workshop, version)
        if number == 1:
            first_release(workshop, version)
        if number == 2:
            promote(workshop, 2)
    followers.anchor(workshop, MODEL)
    workshop.close()
    return registry


@pytest.fixture
def lived(template: MemoryRegistry, tmp_path: Path) -> Iterator[Workshop]:
    """The template's project, as one's own."""
    shutil.copytree(template.directory.parent, tmp_path, dirs_exist_ok=True)
    registry = MemoryRegistry(tmp_path / "registry")
    registry._models = copy.deepcopy(template._models)
    workshop = open_workshop(tmp_path, registry, {"store.keep_versions": 1})
    yield workshop
    workshop.close()


def bundles(workshop: Workshop) -> list[int]:
    return sorted(int(path.parent.name) for path in (workshop.settings.bundles_dir / MODEL).glob("*/onnx-fp32"))


def indexed(workshop: Workshop) -> list[int]:
    return sorted(map(int, workshop.index.read()["models"][MODEL]["versions"]))


def aged(path: Path, days: float) -> Path:
    """The file or directory as if nobody had touched it for so long."""
    then = (NOW - days * DAY).timestamp()
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))
    return path


def kinds(collected: gc.Collected) -> list[str]:
    return [removal.kind for removal in collected.removals]


def test_bundles_that_were_never_served_go_and_the_record_says_so(lived: Workshop) -> None:
    before = list(lived.store.entries())
    collected = collect(lived, SILENT)
    assert [removal.what for removal in collected.removals] == [f"{MODEL}@3/onnx-fp32"]
    assert collected.size_bytes > 1000
    assert bundles(lived) == indexed(lived) == [1, 2, 4]
    assert not (lived.settings.bundles_dir / MODEL / "3").exists()
    added = list(lived.store.entries())[len(before) :]
    assert list(lived.store.entries())[: len(before)] == before
    assert [(entry.kind, entry.version, entry.payload["servable"]) for entry in added] == [
        (EntryKind.ARTIFACT, 3, False)
    ]
    assert "Never served" in added[0].payload["retired"]
    assert worst(audit.verify(lived, [])) is Verdict.PASS
    assert collect(lived, SILENT).removals == ()  # again is no change, and no entry
    assert lived.store.head().seq == added[-1].seq


def test_a_dry_run_tells_the_same_and_changes_nothing(lived: Workshop) -> None:
    head = lived.store.head()
    planned = collect(lived, SILENT, dry_run=True)
    assert (lived.store.head(), bundles(lived)) == (head, [1, 2, 3, 4])
    assert planned.to_json()["removed"] == collect(lived, SILENT).to_json()["removed"]


def test_a_version_made_again_is_on_record_again(lived: Workshop) -> None:
    collect(lived, SILENT)
    make_artifact(lived, lived.registry.get_version(MODEL, 3))
    assert indexed(lived) == [1, 2, 3, 4]
    assert worst(audit.verify(lived, [])) is Verdict.PASS
    assert [removal.what for removal in collect(lived, SILENT).removals] == [f"{MODEL}@3/onnx-fp32"]


def test_the_newest_stay(lived: Workshop) -> None:
    workshop = open_workshop(lived.settings.project_dir, lived.registry, {"store.keep_versions": 2})
    assert collect(workshop, SILENT).removals == ()
    workshop.close()


def test_arms_of_a_release_stay_for_good(lived: Workshop) -> None:
    record = release_record(model=MODEL, champion=2, challenger=3)
    record = lived.store.releases.begin(record, Decision(Action.HOLD, f"{MODEL}@3", "Begins.", ()), (), "a")
    change = ReleaseChange(replace(record.state, phase=Phase.ROLLED_BACK), {})
    lived.store.releases.save(record, change, actor="a")
    assert collect(lived, SILENT).removals == ()


def test_arms_of_an_experiment_stay_for_good(lived: Workshop) -> None:
    lived.store.append(
        EntryKind.DECISION, MODEL, None, {"experiment": "e-1", "plan": {"control": 3, "treatment": 2}}, "a"
    )
    assert collect(lived, SILENT).removals == ()


def test_a_version_that_only_the_registry_called_production_stays(lived: Workshop) -> None:
    lived.registry.set_alias(MODEL, Alias.PRODUCTION, 3)
    followers.reconcile(lived, MODEL)  # noted as foreign, and taken back
    assert collect(lived, SILENT).removals == ()


def test_what_the_data_plane_would_split_traffic_to_stays(lived: Workshop) -> None:
    split = {"model": MODEL, "percents": [[2, 50.0], [3, 50.0]], "salt": "s"}
    orders = {"splits": {MODEL: {"split": split, "fence": 1}}}
    (lived.settings.home / "traffic.json").write_text(json.dumps(orders))
    assert collect(lived, SILENT).removals == ()


def test_the_journal_is_kept_by_age_and_never_the_segment_being_written(lived: Workshop) -> None:
    begun = [NOW - days * DAY for days in (50, 40, 20)]
    paths = [lived.settings.journal_dir / f"{int(moment.timestamp() * 1000):016d}.journal" for moment in begun]
    lived.settings.journal_dir.mkdir()
    for path in paths:
        path.write_bytes(b"x" * 100)
    collect(lived, SILENT, now=NOW)
    assert [path.exists() for path in paths] == [False, True, True]  # the second ended 20 days ago
    collect(lived, SILENT, now=NOW + 100 * DAY)
    assert [path.exists() for path in paths] == [False, False, True]
    notes = [entry.payload for entry in lived.store.entries(kind=EntryKind.NOTE)]
    assert [note["gc"]["journal"] for note in notes] == [{"count": 1, "bytes": 100}, {"count": 1, "bytes": 100}]
    assert notes[0]["what"] == [f"journal/{paths[0].name}"]


def test_the_journal_of_a_release_under_way_stays_whatever_its_age(lived: Workshop) -> None:
    record = release_record(model=MODEL, champion=2, challenger=3)
    lived.store.releases.begin(record, Decision(Action.HOLD, f"{MODEL}@3", "Begins.", ()), (), "a")
    lived.settings.journal_dir.mkdir()
    for moment in (NOW - DAY, NOW + DAY, NOW + 2 * DAY):
        (lived.settings.journal_dir / f"{int(moment.timestamp() * 1000):016d}.journal").write_bytes(b"x")
    assert "journal" not in kinds(collect(lived, SILENT, now=NOW + 300 * DAY))


def test_the_journal_of_an_experiment_under_way_stays_until_it_is_stopped(lived: Workshop) -> None:
    def decide(action: str) -> None:
        payload = {"experiment": "e-1", "action": action, "plan": {"control": 2, "treatment": 4}}
        lived.store.append(EntryKind.DECISION, MODEL, 4, payload, "a")

    lived.settings.journal_dir.mkdir()
    for moment in (NOW - DAY, NOW + DAY, NOW + 2 * DAY):
        (lived.settings.journal_dir / f"{int(moment.timestamp() * 1000):016d}.journal").write_bytes(b"x")
    decide("start")
    assert "journal" not in kinds(collect(lived, SILENT, now=NOW + 300 * DAY))
    decide("stop")
    assert kinds(collect(lived, SILENT, now=NOW + 300 * DAY)).count("journal") == 2


def test_old_looks_at_ended_releases_go(lived: Workshop) -> None:
    record = release_record(model=MODEL, champion=2, challenger=3)
    record = lived.store.releases.begin(record, Decision(Action.HOLD, f"{MODEL}@3", "Begins.", ()), (), "a")
    record = lived.store.releases.save(record, ReleaseChange(record.state, {}), actor="a")
    change = ReleaseChange(replace(record.state, phase=Phase.DONE), {})
    lived.store.releases.save(record, change, actor="a")
    assert "looks" not in kinds(collect(lived, SILENT, now=NOW + 300 * DAY))
    assert "looks" in kinds(collect(lived, SILENT, now=NOW + 400 * DAY))
    assert len(lived.store.releases.looks("r-1")) == 1


def test_caches_go_by_their_last_use(lived: Workshop) -> None:
    unused = lived.settings.cache_dir / "train" / "a" / "source"
    unused.mkdir(parents=True)
    (unused / "weights").write_bytes(b"x" * 100)
    aged(unused.parent, 40)
    used = lived.settings.cache_dir / "train" / "b"
    used.mkdir()
    (used / "result.json").write_text("{}")
    aged(used, 40)
    os.utime(used / "result.json", (NOW.timestamp(), aged(used / "result.json", 40).stat().st_mtime))  # read today
    collected = collect(lived, SILENT, now=NOW)
    assert [one.what for one in collected.removals if one.kind == "cache"] == ["cache/train/a"]
    assert (used.exists(), unused.exists()) == (True, False)


def test_half_written_files_of_killed_processes_go_and_others_stay(lived: Workshop) -> None:
    home, old = lived.settings.home, []
    for name in (".onnx-fp32.partial-abcd1234", ".onnx-fp32.partial-ab_d1234.retired"):
        directory = lived.settings.bundles_dir / MODEL / "2" / name
        directory.mkdir()
        (directory / "model.onnx").write_bytes(b"x" * 10)
        old.append(aged(directory, 1))
    for name in (".traffic.json.abcd1234", "mine.txt", ".lock", ".index.json.abcd"):
        (home / name).write_bytes(b"")
        aged(home / name, 1)
    young = home / ".index.json.abcd1235"
    young.write_bytes(b"")
    inside = (
        lived.settings.bundles_dir / MODEL / "2" / "onnx-fp32" / ".a.abcd1234"
    )  # a bundle is what its manifest says
    inside.write_bytes(b"")
    aged(inside, 1)
    collected = collect(lived, SILENT, now=NOW)
    assert kinds(collected).count("temporary") == 3
    assert not any(path.exists() for path in (*old, home / ".traffic.json.abcd1234"))
    assert all(path.exists() for path in (young, inside, home / "mine.txt", home / ".lock", home / ".index.json.abcd"))


def test_it_refuses_while_another_command_works(lived: Workshop) -> None:
    with project_lock(lived.settings.home), pytest.raises(UnreachableError, match="Another command works"):
        collect(lived, SILENT)
    assert bundles(lived) == [1, 2, 3, 4]


def test_it_deletes_nothing_on_the_word_of_a_record_that_does_not_verify(lived: Workshop) -> None:
    tamper(lived.settings.database_url, "DELETE FROM ledger WHERE seq = 2")
    with pytest.raises(LedgerTamperedError, match="Nothing is deleted"):
        collect(lived, SILENT)
    assert bundles(lived) == [1, 2, 3, 4]


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path)
    assert collect(workshop, SILENT).removals == ()
    assert list(tmp_path.iterdir()) == [] or not workshop.settings.home.exists()


def test_killed_anywhere_it_goes_on_and_the_record_verifies_in_between(
    lived: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fuse burns before each call of the store and the index, and before and in the middle of each deletion."""
    directory, registry = lived.settings.project_dir, lived.registry
    whole = shutil.rmtree
    for kills_at in range(1, 60):
        fuse = Fuse(kills_at)
        workshop = open_workshop(directory, registry, {"store.keep_versions": 1})
        make_artifact(workshop, registry.get_version(MODEL, 3))  # as before the first gc, whatever the last one left
        fused = open_workshop(directory, registry, {"store.keep_versions": 1})
        fused.store = Fused(fused.store, fuse)  # type: ignore[assignment]  # stands before the store
        fused.index = Fused(fused.index, fuse)  # type: ignore[assignment]  # and the index

        def rmtree(path: Path, fuse: Fuse = fuse) -> None:
            fuse()
            next(path.glob("*.onnx")).unlink()
            fuse()
            whole(path)

        monkeypatch.setattr(shutil, "rmtree", rmtree)
        try:
            collect(fused, SILENT)
            ended = True
        except Killed:
            ended = False
        monkeypatch.undo()
        findings = audit.verify(workshop, [])
        assert worst(findings) is Verdict.PASS, (kills_at, [one for one in findings if one.verdict is not Verdict.PASS])
        collect(workshop, SILENT, now=NOW + DAY)
        assert bundles(workshop) == indexed(workshop) == [1, 2, 4], kills_at
        assert not list(workshop.settings.bundles_dir.rglob(".*.partial-*")), kills_at
        assert worst(audit.verify(workshop, [])) is Verdict.PASS
        if ended:
            assert kills_at > 6
            return
    raise AssertionError("it never ended")


def test_a_second_thread_waits_for_nobody(lived: Workshop) -> None:
    """Two at once: one works, the other is refused or finds nothing left; never both on the same files."""
    faults: list[Exception] = []

    def run() -> None:
        workshop = open_workshop(lived.settings.project_dir, lived.registry, {"store.keep_versions": 1})
        try:
            collect(workshop, SILENT)
        except UnreachableError as error:
            faults.append(error)
        finally:
            workshop.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(faults) < 3
    assert bundles(lived) == [1, 2, 4]
    assert worst(audit.verify(lived, [])) is Verdict.PASS
