"""Deleting what policy lets go: on record first, then out of the index, then off the disk.

Killed anywhere it goes on where it stopped: what is retired on record and still there is deleted by the next run, and
`models verify` passes in between.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.domain.errors import LedgerTamperedError
from seatrial.domain.evidence import Verdict
from seatrial.domain.progress import Progress
from seatrial.flows.lock import project_lock
from seatrial.flows.retention import Removal, looks_before, removals
from seatrial.store.ledger import EntryDraft, EntryKind
from seatrial.wiring.workshop import Workshop

__all__ = ["Collected", "collect"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """What went, or would go."""

    removals: tuple[Removal, ...]
    dry_run: bool

    @property
    def size_bytes(self) -> int:
        """All of it together."""
        return sum(removal.size_bytes for removal in self.removals)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        rows = [removal.to_json() for removal in self.removals]
        return {"dry_run": self.dry_run, "bytes": self.size_bytes, "removed": rows}


def collect(workshop: Workshop, progress: Progress, *, dry_run: bool = False, now: datetime | None = None) -> Collected:
    """Deletes what the settings' policy lets go and the record does not need.

    Args:
        dry_run: deletes nothing and records nothing.
        now: the moment by which age is told.

    Raises:
        UnreachableError: another command works on the project.
        LedgerTamperedError: the record does not verify, so nothing is deleted on its word.
    """
    now, home = now or datetime.now(UTC), workshop.settings.home
    if not home.is_dir():
        return Collected((), dry_run)
    if dry_run:
        return Collected(tuple(removals(workshop, now)), dry_run)
    with project_lock(home, wait=False):
        _require_record(workshop)
        found = removals(workshop, now)
        _put_on_record(workshop, found)
        with progress.step("delete", total=len(found)) as step:
            for removal in found:
                _carry_out(workshop, removal, now)
                step.advance(1, removal.what)
    return Collected(tuple(found), dry_run)


def _require_record(workshop: Workshop) -> None:
    for finding in workshop.store.verify():
        if finding.verdict is Verdict.FAIL:
            raise LedgerTamperedError(
                f"Nothing is deleted on the word of a record that does not verify: {finding.reason} "
                "See seatrial models verify."
            )


def _put_on_record(workshop: Workshop, found: Sequence[Removal]) -> None:
    """Records all of it in one transaction: an entry for each artifact, one for everything else together."""
    drafts = [removal.draft for removal in found if removal.draft]
    others = [removal for removal in found if removal.kind != "bundle"]
    if others:
        counts, sizes = Counter(one.kind for one in others), Counter[str]()
        for one in others:
            sizes[one.kind] += one.size_bytes
        payload = {
            "reason": f"gc deletes {', '.join(f'{count} of {kind}' for kind, count in counts.items())}.",
            "gc": {kind: {"count": count, "bytes": sizes[kind]} for kind, count in counts.items()},
            "what": [one.what for one in others if one.kind in ("journal", "looks")],
        }
        drafts.append(EntryDraft(EntryKind.NOTE, workshop.settings.model.name, None, payload, workshop.actor))
    if drafts:
        workshop.store.append_all(drafts)


def _carry_out(workshop: Workshop, removal: Removal, now: datetime) -> None:
    if removal.artifact:
        workshop.index.retire(*removal.artifact)
    if removal.path is None:
        workshop.store.releases.forget_looks(looks_before(workshop, now))
    else:
        _delete(removal.path)
    _log.info("deleted", extra={"what": removal.what, "why": removal.why, "bytes": removal.size_bytes})


def _delete(path: Path) -> None:
    """Deletes a file or directory; a directory first leaves its place, so that nobody finds a part of it there."""
    if path.is_dir() and not path.is_symlink():
        try:
            leaving = path.rename(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        except FileNotFoundError:  # its owner was faster
            return
        shutil.rmtree(leaving)
        _remove_empty(path.parent)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(directory: Path) -> None:
    """Removes what was a version's or a step's directory, once nothing is in it any more."""
    if not any(directory.iterdir()):
        directory.rmdir()
