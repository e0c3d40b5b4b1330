"""Killed between any two calls of registry, index and store, a life goes on with the same commands to the same end."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.errors import UnknownVersionError
from seatrial.domain.evidence import Verdict, worst
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.progress import SILENT
from seatrial.flows import audit, followers
from seatrial.flows.deploy import convert
from seatrial.flows.develop import develop
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.fuses import Fuse, Fused, Killed
from tests.handmade import MODEL, write_project
from tests.houses import enrol, open_workshop, promote


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose slow steps are done and remembered, and nothing of it on record or registered."""
    directory = write_project(tmp_path_factory.mktemp("life") / "project")
    workshop = open_workshop(directory)
    _life(workshop)
    workshop.close()
    for leftover in (
        *(directory / ".seatrial").glob("seatrial.db*"),
        directory / ".seatrial" / "bundles" / "index.json",
    ):
        leftover.unlink()
    shutil.rmtree(directory / "registry")
    shutil.rmtree(directory / ".seatrial" / "cache" / "sources")
    return directory


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory where there is one: hundreds of small transactions wait seconds for a disk."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as directory:
        yield Path(directory)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take longer than everything else here together."""
    monkeypatch.setattr(Workshop, "write_report", lambda self, *_: self.settings.home / "evaluation.html")


def _life(workshop: Workshop) -> None:
    develop(workshop, SILENT)
    convert(workshop, VersionRef.parse(f"{MODEL}@1"), (), SILENT)


def _run(
    directory: Path,
    registry: MemoryRegistry,
    fuse: Fuse,
    life: Callable[[Workshop], None] = _life,
    overrides: Mapping[str, object] | None = None,
) -> None:
    """One process: opens everything anew, and is killed or not."""
    workshop = open_workshop(directory, registry, overrides)
    real = workshop.store
    try:
        vars(workshop).update(
            store=Fused(real, fuse), registry=Fused(registry, fuse), index=Fused(workshop.index, fuse)
        )
        life(workshop)
    finally:
        real.close()


def _end(directory: Path, registry: MemoryRegistry) -> dict[str, Any]:
    """What everybody says in the end, the places of files aside."""
    workshop = open_workshop(directory, registry)
    try:
        findings = audit.verify(workshop, [MODEL])
        assert worst(findings) is Verdict.PASS, findings
        assert workshop.store.pending(MODEL) == []
        assert workshop.registry.aliases(MODEL) == workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
        state = {
            "versions": [version.version for version in registry.list_versions(MODEL)],
            "stages": workshop.registry.stages(MODEL),
            "index": workshop.index.read(),
            "entries": [(entry.kind, entry.version, entry.payload) for entry in workshop.store.entries()],
        }
    finally:
        workshop.close()
    return dict(json.loads(json.dumps(state).replace(str(directory), "")))


@pytest.mark.usefixtures("quick")
def test_killed_before_any_call_the_same_commands_end_in_the_same_place(prepared: Path, memory: Path) -> None:
    whole = shutil.copytree(prepared, memory / "whole")
    registry, fuse = MemoryRegistry(whole / "registry"), Fuse()
    _run(whole, registry, fuse)
    expected = _end(whole, registry)
    assert fuse.calls > 30, "there is nothing to be killed at"
    for number in range(1, fuse.calls + 1):
        directory = shutil.copytree(prepared, memory / str(number))
        registry = MemoryRegistry(directory / "registry")
        with pytest.raises(Killed):
            _run(directory, registry, Fuse(number))
        _run(directory, registry, Fuse())
        assert _end(directory, registry) == expected, f"killed before call {number}"
        shutil.rmtree(directory)


@pytest.mark.usefixtures("quick")
def test_killed_in_a_promotion_the_command_that_names_the_candidate_heals_it_and_says_so(
    prepared: Path, tmp_path: Path
) -> None:
    directory = shutil.copytree(prepared, tmp_path / "project")
    registry = MemoryRegistry(directory / "registry")

    def train(workshop: Workshop) -> None:
        develop(workshop, SILENT)

    def promote(workshop: Workshop) -> None:
        convert(workshop, VersionRef.parse(f"{MODEL}@candidate"), (), SILENT)

    def killed_after_the_commit(workshop: Workshop) -> None:
        moved = workshop.store.move_aliases

        def move_aliases(*arguments: Any, **named: Any) -> Any:
            moved(*arguments, **named)
            raise Killed

        vars(workshop.store)["move_aliases"] = move_aliases
        promote(workshop)

    _run(directory, registry, Fuse(), train)
    with pytest.raises(Killed):
        _run(directory, registry, Fuse(), killed_after_the_commit)
    assert registry.aliases(MODEL) == {Alias.CANDIDATE: 1}
    with pytest.raises(UnknownVersionError, match=r"no candidate version \(aliases: production=1\)"):
        _run(directory, registry, Fuse(), promote)
    assert registry.aliases(MODEL) == {Alias.PRODUCTION: 1}


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.usefixtures("quick")
def test_killed_while_a_foreign_move_is_settled_nothing_is_lost_or_told_twice(memory: Path, adopt: bool) -> None:
    overrides = {"registry.adopt_foreign_moves": adopt}

    def settle(workshop: Workshop) -> None:
        followers.reconcile(workshop, MODEL)

    for number in itertools.count(1):
        directory = memory / str(number)
        registry = MemoryRegistry(directory / "registry")
        workshop = open_workshop(directory, registry)
        enrol(workshop, 1.0)
        enrol(workshop, 0.5)
        promote(workshop, 1)
        workshop.close()
        registry.set_alias(MODEL, Alias.PRODUCTION, 2)
        fuse = Fuse(number)
        with contextlib.suppress(Killed):
            _run(directory, registry, fuse, settle, overrides)
        if fuse.calls < number:
            break
        _run(directory, registry, Fuse(), settle, overrides)
        workshop = open_workshop(directory, registry)
        assert workshop.store.aliases(MODEL)[Alias.PRODUCTION] == (2 if adopt else 1), number
        assert registry.aliases(MODEL) == workshop.store.aliases(MODEL), number
        told = [(e.payload["role"], e.payload.get("settled")) for e in workshop.store.entries(kind=EntryKind.FOREIGN)]
        settled = "adopted" if adopt else "taken back"
        assert sorted(told, key=str) == sorted(
            [(role, word) for role in ("production", "Production") for word in (None, settled)], key=str
        ), number
        workshop.close()
    assert number > 10
