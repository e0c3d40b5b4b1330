"""What may go from a project's state, and why: pure policy over the record and what lies on this machine.

What the ledger cites as served stays, whatever its age: "what answered our customers on 3 March" must have its answer
to the last byte. So do the ledger itself, findings and decisions, the registry, and whatever has an alias.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.bundle import MANIFEST_FILE
from seatrial.domain.model import Alias
from seatrial.flows import record
from seatrial.store.aliases import moves_of
from seatrial.store.ledger import EntryDraft, EntryKind, LedgerEntry
from seatrial.wiring import keeping
from seatrial.wiring.workshop import Workshop

__all__ = ["Removal", "is_half_written", "keepers", "looks_before", "removals", "size_bytes"]

_DAY_S = 86400.0
_ABANDONED_S = 3600.0
"""Half-written files that are younger may be another process's, at work on them now."""
# Names that `bundle.atomic` gives to what is not whole yet: of a directory, and of a file.
_HALF_WRITTEN = re.compile(r"\..+(\.partial-[a-z0-9_]{8}(\.retired)?|\.[a-z0-9_]{8})")
_SERVED = (Alias.PRODUCTION, Alias.PREVIOUS)


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that goes.

    Attributes:
        kind: bundle, journal, looks, cache or temporary.
        what: its name: a version's artifact, or a path below the project's home.
        why: one sentence.
        path: the file or directory; None where it lies in the database.
        artifact: model, version and name of a bundle's artifact.
        draft: the ledger entry of its own, where it gets one.
    """

    kind: str
    what: str
    why: str
    size_bytes: int
    path: Path | None = None
    artifact: tuple[str, int, str] | None = None
    draft: EntryDraft | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"kind": self.kind, "what": self.what, "why": self.why, "bytes": self.size_bytes}


def removals(workshop: Workshop, now: datetime) -> list[Removal]:
    """All that policy lets go now, by kind, oldest first."""
    models = {entry.model for entry in workshop.store.entries(kind=EntryKind.ARTIFACT)}
    found = [removal for model in sorted(models) for removal in _bundles(workshop, model)]
    found += [*_journal(workshop, now), *_looks(workshop, now), *_cache(workshop, now)]
    going = {removal.path for removal in found if removal.path}
    return [*found, *(one for one in _temporaries(workshop, now) if one.path and going.isdisjoint(one.path.parents))]


def keepers(workshop: Workshop, model: str) -> dict[int, str]:
    """Versions whose bundles stay, and why."""
    stay: dict[int, str] = {}
    artifacts = {version for version, _ in record.artifacts(workshop, model)}
    for version in sorted(artifacts)[-workshop.settings.store.keep_versions :]:
        stay[version] = "one of the newest"
    for version in (version for name, version in keeping.split_versions(workshop.settings) if name == model):
        stay[version] = "in the data plane's split"
    for one in workshop.store.releases.of_model(model):
        for version in (one.state.champion, one.state.challenger):
            stay[version] = f"served in release {one.state.release}"
    stay |= _served(workshop.store.entries(model))
    for alias, version in workshop.store.aliases(model).items():
        stay[version] = f"is {alias.value}"
    return stay


def _served(entries: Iterable[LedgerEntry]) -> dict[int, str]:
    """Versions that the ledger cites as served, or as part of a release or an experiment."""
    cited: dict[int, str] = {}
    for entry in entries:
        payload = entry.payload
        versions: list[Any] = []
        if entry.kind is EntryKind.ALIAS:
            versions = [version for alias, version in moves_of(entry).items() if alias in _SERVED]
        elif entry.kind is EntryKind.FOREIGN and str(payload.get("role")).lower() in _SERVED:
            versions = [payload.get("theirs")]
        if "release" in payload or "experiment" in payload:
            versions += [entry.version, *_arms(payload)]
        cited |= {version: f"served by entry {entry.seq}" for version in versions if isinstance(version, int)}
    return cited


def _arms(payload: Mapping[str, Any]) -> Iterator[Any]:
    """The versions that an entry names as arms of a comparison, at any depth."""
    for key, value in payload.items():
        if key in ("champion", "challenger", "control", "treatment"):
            yield value
        if isinstance(value, Mapping):
            yield from _arms(value)


def _bundles(workshop: Workshop, model: str) -> Iterator[Removal]:
    stay, newest = keepers(workshop, model), workshop.settings.store.keep_versions
    for (version, name), payload in record.artifacts(workshop, model).items():
        if version not in stay:
            why = f"Never served, no alias, and not one of the newest {newest}."
            draft = record.retirement(model, version, payload, why, workshop.actor)
            yield from _bundle(workshop, (model, version, name), why, draft)
    for (version, name), payload in record.retired_artifacts(workshop, model).items():
        yield from _bundle(workshop, (model, version, name), f"Left by a gc that was stopped. {payload['retired']}")


def _bundle(
    workshop: Workshop, artifact: tuple[str, int, str], why: str, draft: EntryDraft | None = None
) -> Iterator[Removal]:
    """The bundle of an artifact, where it is there."""
    model, version, name = artifact
    path = workshop.settings.bundles_dir / model / str(version) / name
    if path.is_dir():
        yield Removal("bundle", f"{model}@{version}/{name}", why, size_bytes(path), path, artifact, draft)


def _journal(workshop: Workshop, now: datetime) -> Iterator[Removal]:
    days = workshop.settings.store.keep_journal_days
    before_s = min(now.timestamp() - days * _DAY_S, _needed_from_s(workshop))
    for segment in keeping.journal_segments(workshop.settings):
        if segment.ended_s is not None and segment.ended_s < before_s:
            why = f"All of it is older than {days:g} days."
            yield Removal("journal", _name(workshop, segment.path), why, size_bytes(segment.path), segment.path)


def _needed_from_s(workshop: Workshop) -> float:
    """Since when the journal is needed by a release or an experiment that is under way, seconds since 1970.

    Infinite where none is. An experiment counts what units send within its outcome window, so all since its start.
    """
    running = {one.state.release for one in workshop.store.releases.latest().values() if not one.state.phase.over}
    begun: dict[str, float] = {}
    for entry in workshop.store.entries(kind=EntryKind.DECISION):
        release, experiment = entry.payload.get("release"), entry.payload.get("experiment")
        if experiment and entry.payload.get("action") == "stop":
            begun.pop(f"experiment {experiment}", None)
        elif experiment:
            begun.setdefault(f"experiment {experiment}", entry.at.timestamp())
        elif release and release in running:
            begun.setdefault(f"release {release}", entry.at.timestamp())
    return min(begun.values(), default=float("inf"))


def _looks(workshop: Workshop, now: datetime) -> Iterator[Removal]:
    days = workshop.settings.store.keep_looks_days
    count, characters = workshop.store.releases.old_looks(looks_before(workshop, now))
    if count:
        why = f"Looks at ended releases, older than {days:g} days; how each ended stays."
        yield Removal("looks", f"{count} looks", why, characters)


def looks_before(workshop: Workshop, now: datetime) -> datetime:
    """The moment before which looks at ended releases go."""
    return datetime.fromtimestamp(now.timestamp() - workshop.settings.store.keep_looks_days * _DAY_S, UTC)


def _cache(workshop: Workshop, now: datetime) -> Iterator[Removal]:
    """Entries of the cache, which are two levels deep: step and key."""
    days = workshop.settings.store.keep_cache_days
    for path in sorted(workshop.settings.cache_dir.glob("*/*")):
        if now.timestamp() - _last_use_s(path) > days * _DAY_S:
            why = f"Not used for {days:g} days; it can be made or fetched again."
            yield Removal("cache", _name(workshop, path), why, size_bytes(path), path)


def _temporaries(workshop: Workshop, now: datetime) -> Iterator[Removal]:
    settings = workshop.settings
    for path in sorted({*_half_written(settings.home), *_half_written(settings.bundles_dir)}):
        if now.timestamp() - _last_use_s(path, by_reading=False) > _ABANDONED_S:
            why = "Half-written by a process that was killed."
            yield Removal("temporary", _name(workshop, path), why, size_bytes(path), path)


def _half_written(root: Path) -> Iterator[Path]:
    """What `bundle.atomic` had not finished, anywhere but inside bundles and the registry's own files."""
    for directory, names, files in os.walk(root):
        here = Path(directory)
        if MANIFEST_FILE in files:
            names.clear()
            continue
        partial = {name for name in names if is_half_written(name)}
        yield from (here / name for name in (*partial, *files) if is_half_written(name))
        names[:] = [name for name in names if name not in partial and name != "mlartifacts"]


def is_half_written(name: str) -> bool:
    """Whether `bundle.atomic` gave the name to something that was not whole yet.

    Example:
        >>> is_half_written(".onnx-fp32.partial-k3_9zq1x"), is_half_written(".index.json.k3_9zq1x")
        (True, True)
        >>> is_half_written(".lock"), is_half_written("index.json")
        (False, False)
    """
    return _HALF_WRITTEN.fullmatch(name) is not None


def _last_use_s(path: Path, *, by_reading: bool = True) -> float:
    """When anything below a path was last written, or read as far as the file system notes it; seconds since 1970.

    Infinite where nothing is there any more.
    """
    uses = (
        max(found.st_mtime, found.st_atime if by_reading and stat.S_ISREG(found.st_mode) else 0.0)
        for found in _stats(path)
    )
    return max(uses, default=float("inf"))


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files below a directory."""
    return sum(found.st_size for found in _stats(path) if stat.S_ISREG(found.st_mode))


def _stats(path: Path) -> Iterator[os.stat_result]:
    for one in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
        try:
            yield one.lstat()
        except FileNotFoundError:  # its owner was faster
            continue


def _name(workshop: Workshop, path: Path) -> str:
    home = workshop.settings.home
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
