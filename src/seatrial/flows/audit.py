"""Checking the record: does the chain hold, and is everything it cites still what it was?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.domain.errors import BundleError, ModelError, UnknownModelError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.flows import record
from seatrial.store.ledger import EntryKind, LedgerEntry, LedgerHead
from seatrial.wiring.workshop import Workshop

__all__ = ["history", "production_at", "verify"]


def verify(
    workshop: Workshop, models: Sequence[str], heads: Sequence[str] = (), *, repair: bool = False
) -> list[Finding]:
    """Checks the chain against its anchors, every artifact against its recorded digest, and registry against record.

    Args:
        models: models to check; all registered ones if empty.
        heads: further ledger heads (``seq:sha256``), for example copied from a log.
        repair: afterwards makes registry and index follow the record again.

    Raises:
        UnknownModelError: a named model is not registered.
        UsageError: a head that cannot be read.
    """
    known = list(workshop.registry.list_models())
    for name in models:
        if name not in known:
            raise UnknownModelError(f"There is no model {name!r} (known: {', '.join(known) or 'none'}).")
    chosen = list(models) or known
    anchors = [LedgerHead.from_text(text) for text in heads]
    spoilt: list[Finding] = []
    for name in chosen:
        tag = workshop.registry.tags(name).get(record.HEAD_TAG)
        try:
            anchors += [LedgerHead.from_text(tag)] if tag else []
        except UsageError:
            reason = f"The registry's tag {record.HEAD_TAG} says {tag!r}, which is no ledger head: somebody wrote it."
            spoilt.append(Finding("registry.head", name, Verdict.FAIL, reason, samples=1))
    findings = [*workshop.store.verify(anchors), *spoilt]
    if repair:
        _rebuild_index(workshop, chosen)
    for name in chosen:
        findings += _artifacts(workshop, name)
        findings += _registry(workshop, name)
        findings += _index(workshop, name)
        if repair:
            record.reconcile(workshop, name)
            record.anchor(workshop, name)
    return findings


def history(workshop: Workshop, model: str) -> Iterator[LedgerEntry]:
    """Everything on record about a model, oldest first.

    Raises:
        UnknownModelError: nothing is.
    """
    entries = list(workshop.store.entries(model))
    if not entries:
        raise UnknownModelError(f"Nothing is on record about {model!r}: see seatrial models list.")
    return iter(entries)


def production_at(workshop: Workshop, model: str, moment: datetime) -> tuple[int | None, LedgerEntry | None]:
    """Which version was in production at a moment, and the entry that put it there."""
    return workshop.store.production_at(model, moment)


def _latest_artifacts(workshop: Workshop, model: str) -> dict[tuple[int, str], dict[str, Any]]:
    latest: dict[tuple[int, str], dict[str, Any]] = {}
    for entry in workshop.store.entries(model):
        if entry.kind is EntryKind.ARTIFACT and entry.version is not None:
            latest[entry.version, entry.payload["artifact"]] = dict(entry.payload)
    return latest


def _artifacts(workshop: Workshop, model: str) -> Iterator[Finding]:
    """One finding for each recorded artifact: its files are those that were recorded."""
    for (version, name), payload in _latest_artifacts(workshop, model).items():
        subject = f"{model}@{version}/{name}"
        try:
            bundle = Bundle.open(_bundle_directory(workshop, model, version, name))
        except (BundleError, ModelError) as error:
            yield Finding("artifact.digest", subject, Verdict.FAIL, str(error), samples=1)
            continue
        same = (
            bundle.manifest.artifact.sha256 == payload["sha256"]
            and bundle.manifest.to_json()["manifest_sha256"] == payload["manifest_sha256"]
        )
        count = len(bundle.manifest.files)
        if same:
            yield Finding(
                "artifact.digest", subject, Verdict.PASS, f"All {count} files are as recorded.", samples=count
            )
        else:
            reason = f"{bundle.directory} is whole but not the artifact on record: convert the version again."
            yield Finding("artifact.digest", subject, Verdict.FAIL, reason, samples=count)


def _registry(workshop: Workshop, model: str) -> Iterator[Finding]:
    moves = record.foreign_moves(workshop, model)
    if not moves:
        reason = "Aliases and stages of the registry are as recorded."
        yield Finding("registry.roles", model, Verdict.PASS, reason, samples=1)
    for move in moves:
        record.note_foreign(workshop, model, move)
        reason = f"{move.sentence} Somebody moved it outside Seatrial: take it back with --repair."
        yield Finding("registry.roles", model, Verdict.FAIL, reason, samples=1, details=move.to_json())


def _index(workshop: Workshop, model: str) -> Iterator[Finding]:
    ours = {alias.value: number for alias, number in workshop.store.aliases(model).items()}
    try:
        theirs = workshop.index.aliases(model)
    except BundleError as error:
        yield Finding("index.aliases", model, Verdict.FAIL, str(error), samples=1)
        return
    if ours == theirs:
        yield Finding("index.aliases", model, Verdict.PASS, "The bundle index is as recorded.", samples=1)
    else:
        reason = f"The bundle index says {theirs}, the record {ours}: write it anew with --repair."
        yield Finding("index.aliases", model, Verdict.FAIL, reason, samples=1)


def _bundle_directory(workshop: Workshop, model: str, version: int, name: str) -> Path:
    return workshop.settings.bundles_dir / model / str(version) / name


def _rebuild_index(workshop: Workshop, models: Sequence[str]) -> None:
    """Enters every recorded bundle that is whole and as recorded, and the aliases of the record."""
    try:
        workshop.index.read()
    except BundleError:
        workshop.index.path.unlink()
    for model in models:
        for (version, name), payload in _latest_artifacts(workshop, model).items():
            try:
                bundle = Bundle.open(_bundle_directory(workshop, model, version, name))
            except BundleError:
                continue
            if bundle.manifest.artifact.sha256 == payload["sha256"]:
                workshop.index.add(bundle)
        aliases = workshop.store.aliases(model)
        workshop.index.set_aliases(model, {alias.value: number for alias, number in aliases.items()})
