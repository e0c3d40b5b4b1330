"""A store as a file of lines: out of one database and into another, whatever the two are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from seatrial.domain.errors import BackupError, UsageError
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Decision, Phase
from seatrial.store import migrations
from seatrial.store.ledger import EntryKind
from seatrial.store.portable import load_rows
from seatrial.store.releases import ReleaseChange
from seatrial.store.store import Store
from tests.ledgers import NOON, PASSED, move, note, tamper, words
from tests.releases import release_record


@pytest.fixture
def filled(store: Store) -> Store:
    """Findings, moves, and a release that has ended after three looks."""
    store.record_findings("m", 1, [PASSED], actor="ann")
    store.append(EntryKind.ARTIFACT, "m", 1, {"artifact": "onnx-fp32", "sha256": "ab", "much": "ä\u0000\n" * 3}, "ann")
    move(store, {Alias.PRODUCTION: 1})
    move(store, {Alias.CANDIDATE: 2})
    record = store.releases.begin(release_record(), Decision(Action.HOLD, "m@2", "Begins.", ()), (), "ann")
    for phase in (Phase.PAUSED, Phase.ROLLED_BACK):
        change = ReleaseChange(replace(record.state, phase=phase), {}, Decision(Action.HOLD, "m@2", "Next.", (PASSED,)))
        record = store.releases.save(record, change, actor="ann")
    store.releases.lease("one", 100.0, 30.0)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to fill."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'restored.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_postgresql_schema")
    return make()


def written(store: Store, path: Path) -> Path:
    with path.open("wb") as file:
        store.portable.write(file.write)
    return path


def test_everything_comes_back_as_it_was(filled: Store, target: str, tmp_path: Path) -> None:
    path = written(filled, tmp_path / "store.jsonl")
    assert load_rows(target, path) is True
    with Store.open(target) as restored:
        assert list(restored.entries()) == list(filled.entries())
        assert restored.aliases("m") == filled.aliases("m")
        assert restored.pending("m") == filled.pending("m")
        assert restored.releases.of_model("m") == filled.releases.of_model("m")
        assert restored.releases.looks("r-1") == filled.releases.looks("r-1")
        assert words(restored.verify([filled.head()])) == {"chain": "pass", "anchor": "pass", "intents": "pass"}
        assert written(restored, tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
        note(restored)  # the restored ledger goes on, and is as closed to changes as the first
        assert words(restored.verify())["chain"] == "pass"
        lease = restored.releases.lease("two", 200.0, 30.0)
        assert lease is not None
        assert lease.fence == 2  # the fence never goes back


def test_a_ledger_that_holds_something_is_never_overwritten(filled: Store, target: str, tmp_path: Path) -> None:
    path = written(filled, tmp_path / "store.jsonl")
    with Store.open(target) as other:
        note(other)
        before = list(other.entries())
        with pytest.raises(UsageError, match="never overwritten"):
            load_rows(target, path)
        assert list(other.entries()) == before


def test_the_same_rows_again_are_no_change(filled: Store, target: str, tmp_path: Path) -> None:
    path = written(filled, tmp_path / "store.jsonl")
    assert [load_rows(target, path), load_rows(target, path)] == [True, False]


def test_a_file_that_breaks_off_leaves_the_database_empty(filled: Store, target: str, tmp_path: Path) -> None:
    path = written(filled, tmp_path / "store.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BackupError, match=r"store\.jsonl holds a line that is no row"):
        load_rows(target, path)
    with Store.open(target) as empty:
        assert list(empty.entries()) == []


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        (b"", "no copy of a store"),
        (b"[1]\n", "no copy of a store"),
        (b'{"format_version":1,"schema":"0001","columns":{"mine":["a"]}}\n', "tables that no store has"),
        (b'{"format_version":7,"schema":"0001","columns":{}}\n', "format is 7"),
        (b'{"format_version":1,"schema":"9999","columns":{}}\n', "newer Seatrial"),
    ],
)
def test_what_is_no_store_is_refused(heading: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "store.jsonl"
    path.write_bytes(heading)
    with pytest.raises(BackupError, match=reason):
        load_rows(f"sqlite:///{tmp_path / 'a.db'}", path)


def test_a_copy_of_an_older_schema_is_brought_up_to_date(filled: Store, target: str, tmp_path: Path) -> None:
    path = written(filled, tmp_path / "store.jsonl")
    heading, *rows = path.read_text().splitlines()
    document = json.loads(heading)
    document |= {"schema": "0001", "columns": {name: document["columns"][name] for name in ("ledger", "alias_intents")}}
    old = [row for row in rows if json.loads(row)[0] in document["columns"]]
    path.write_text("\n".join([json.dumps(document), *old, ""]))
    assert load_rows(target, path)
    with Store.open(target) as restored:
        assert restored.releases.of_model("m") == []
        assert list(restored.entries()) == list(filled.entries())
    assert migrations.NEWEST > "0001"


def test_a_copy_made_while_others_write_is_one_moment(store: Store, url: str, tmp_path: Path) -> None:
    note(store)
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.store_writer", url, "entries", "60"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()  # it writes from here on
    for number in range(5):
        path = written(store, tmp_path / f"{number}.jsonl")
        copy = f"sqlite:///{tmp_path / f'{number}.db'}"
        load_rows(copy, path)
        with Store.open(copy) as restored:
            assert words(restored.verify())["chain"] == "pass"
            entries = list(restored.entries())
            assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    writer.communicate(timeout=60)


def test_bytes_that_are_no_text_are_copied_but_never_restored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tampered.db'}"  # PostgreSQL lets nobody store such
    with Store.open(url) as store:
        note(store)
        tamper(url, "UPDATE ledger SET actor = CAST(x'ff61' AS TEXT) WHERE seq = 1")
        path = written(store, tmp_path / "store.jsonl")
    assert rb"\udcffa" in path.read_bytes()
    with pytest.raises(BackupError, match="no row of a store"):
        load_rows(f"sqlite:///{tmp_path / 'copy.db'}", path)


def test_looks_at_ended_releases_are_forgotten_and_the_end_stays(filled: Store) -> None:
    active = filled.releases.begin(release_record("r-2"), Decision(Action.HOLD, "m@2", "Begins.", ()), (), "ann")
    filled.releases.save(active, ReleaseChange(active.state, {}), actor="ann")
    later = NOON + timedelta(days=9)
    assert filled.releases.old_looks(NOON) == (0, 0)
    count, characters = filled.releases.old_looks(later)
    assert count == 2
    assert characters > 100
    ended, before = filled.releases.get("r-1"), list(filled.entries())
    filled.releases.forget_looks(later)
    assert filled.releases.old_looks(later) == (0, 0)
    assert [state.phase for state, _ in filled.releases.looks("r-1")] == [Phase.ROLLED_BACK]
    assert len(filled.releases.looks("r-2")) == 2  # under way: all of them
    assert filled.releases.get("r-1") == ended
    assert list(filled.entries()) == before
    filled.releases.forget_looks(later)
