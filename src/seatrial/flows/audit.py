"""Checking the record: does the chain hold, and is everything it cites still what it was?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.domain.errors import BundleError, ModelError, UnknownModelError, UsageError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.flows import followers, record
from seatrial.flows.lock import project_lock
from seatrial.store.ledger import EntryKind, LedgerEntry, LedgerHead
from seatrial.wiring.workshop import Workshop

__all__ = ["history", "mend_index", "production_at", "recorded_models", "verify"]


def verify(
    workshop: Workshop, models: Sequence[str], heads: Sequence[str] = (), *, repair: bool = False
) -> list[Finding]:
    """Checks the chain against its anchors, every artifact against its recorded digest, and registry against record.

    Args:
        models: models to check; all that are registered or on record if empty.
        heads: further ledger heads (``seq:sha256``), for example copied from a log.
        repair: afterwards makes registry and index follow the record again.

    Raises:
        UnknownModelError: a named model is neither registered nor on record.
        UsageError: a head that cannot be read.
    """
    with project_lock(workshop.settings.home):
        registered, recorded = set(workshop.registry.list_models()), recorded_models(workshop)
        chosen = _chosen(models, registered | recorded)
        anchors, findings = _anchors(workshop, [name for name in chosen if name in registered], heads)
        findings = [*workshop.store.verify(anchors), *findings]
        if repair:
            mend_index(workshop, chosen, recorded)
        for name in chosen:
            findings += _artifacts(workshop, name)
            findings += _registry(workshop, name) if name in registered else [_absent(name)]
            findings += _index(workshop, name)
            if repair and name in registered:
                followers.reconcile(workshop, name)
                followers.anchor(workshop, name)
    return findings


def history(workshop: Workshop, model: str) -> list[LedgerEntry]:
    """Everything on record about a model, oldest first.

    Raises:
        UnknownModelError: nothing is.
    """
    entries = list(workshop.store.entries(model))
    if not entries:
        raise _nothing_about(model)
    return entries


def production_at(workshop: Workshop, model: str, moment: datetime) -> tuple[int | None, LedgerEntry | None]:
    """Which version was in production at a moment, and the entry that put it there.

    Raises:
        UnknownModelError: nothing is on record about the model at all.
    """
    if next(workshop.store.entries(model), None) is None:
        raise _nothing_about(model)
    return workshop.store.production_at(model, moment)


def _nothing_about(model: str) -> UnknownModelError:
    return UnknownModelError(f"Nothing is on record about {model!r}: see seatrial models list.")


def recorded_models(workshop: Workshop) -> set[str]:
    """Models with a registered version on record."""
    return {entry.model for entry in workshop.store.entries(kind=EntryKind.REGISTERED)}


def _chosen(models: Sequence[str], known: set[str]) -> list[str]:
    for name in models:
        if name not in known:
            raise UnknownModelError(f"There is no model {name!r} (known: {', '.join(sorted(known)) or 'none'}).")
    return list(dict.fromkeys(models)) or sorted(known)


def _anchors(workshop: Workshop, models: Sequence[str], heads: Sequence[str]) -> tuple[list[LedgerHead], list[Finding]]:
    """The heads that were noted elsewhere, and what is wrong with those in the registry."""
    anchors, spoilt = [LedgerHead.from_text(text) for text in heads], []
    for name in models:
        tag = workshop.registry.tags(name).get(followers.HEAD_TAG)
        try:
            anchors += [LedgerHead.from_text(tag)] if tag else []
        except UsageError:
            reason = f"The registry's tag {followers.HEAD_TAG} says {tag!r}, no ledger head: somebody wrote it."
            spoilt.append(Finding("registry.head", name, Verdict.FAIL, reason, samples=1))
    return anchors, spoilt


def _artifacts(workshop: Workshop, model: str) -> Iterator[Finding]:
    """One finding for each recorded artifact: its files are those that were recorded."""
    for (version, name), payload in record.artifacts(workshop, model).items():
        subject = f"{model}@{version}/{name}"
        try:
            bundle = Bundle.open(_bundle_directory(workshop, model, version, name))
        except (BundleError, ModelError) as error:
            yield Finding("artifact.digest", subject, Verdict.FAIL, str(error), samples=1)
            continue
        count = len(bundle.manifest.files)
        if _is_recorded(bundle, payload):
            reason = f"All {count} files are as recorded."
            yield Finding("artifact.digest", subject, Verdict.PASS, reason, samples=count)
        else:
            reason = f"{bundle.directory} is whole but not the artifact on record: convert the version again."
            yield Finding("artifact.digest", subject, Verdict.FAIL, reason, samples=count)


def _is_recorded(bundle: Bundle, payload: dict[str, Any]) -> bool:
    manifest = bundle.manifest
    return (manifest.artifact.sha256, manifest.sha256) == (payload["sha256"], payload["manifest_sha256"])


def _absent(model: str) -> Finding:
    reason = "The model is on record, but the registry does not have it: restore the registry from a backup."
    return Finding("registry.roles", model, Verdict.FAIL, reason, samples=1)


def _registry(workshop: Workshop, model: str) -> Iterator[Finding]:
    pending, moves = workshop.store.pending(model), followers.foreign_moves(workshop, model)
    if pending:
        reason = f"{len(pending)} decided moves have not reached the registry: --repair or the next command makes them."
        yield Finding("registry.roles", model, Verdict.INCONCLUSIVE, reason, samples=1)
    elif not moves:
        reason = "Aliases and stages of the registry are as recorded."
        yield Finding("registry.roles", model, Verdict.PASS, reason, samples=1)
    for foreign in moves:
        followers.note_foreign(workshop, model, foreign)
        reason = f"{foreign.sentence} Somebody moved it outside Seatrial: take it back with --repair."
        yield Finding("registry.roles", model, Verdict.FAIL, reason, samples=1, details=foreign.to_json())


def _index(workshop: Workshop, model: str) -> Iterator[Finding]:
    """Whether the bundle index gives the model the aliases and artifacts of the record."""
    try:
        found = workshop.index.read()["models"].get(model, {"versions": {}, "aliases": {}})
    except BundleError as error:
        yield Finding("index.aliases", model, Verdict.FAIL, str(error), samples=1)
        return
    ours = {alias.value: number for alias, number in workshop.store.aliases(model).items()}
    if found["aliases"] != ours:
        reason = f"The bundle index says {found['aliases']}, the record {ours}: write it anew with --repair."
        yield Finding("index.aliases", model, Verdict.FAIL, reason, samples=1)
    elif not _agree(_indexed_artifacts(found), workshop, model):
        reason = "The bundle index names other artifacts than the record: write it anew with --repair."
        yield Finding("index.aliases", model, Verdict.FAIL, reason, samples=1)
    else:
        yield Finding("index.aliases", model, Verdict.PASS, "The bundle index is as recorded.", samples=1)


def _indexed_artifacts(found: dict[str, Any]) -> dict[str, str]:
    """Digest of the manifest of each artifact by its place, as the index names them."""
    return {
        artifact["path"]: artifact["manifest_sha256"]
        for version in found["versions"].values()
        for artifact in version["artifacts"].values()
    }


def _agree(indexed: dict[str, str], workshop: Workshop, model: str) -> bool:
    """Whether these are the artifacts on record.

    One that is retired on record and still there was left by a `gc` that was stopped; the next one finishes it.
    """
    retired = _places(model, record.retired_artifacts(workshop, model))
    in_use = {place: sha256 for place, sha256 in indexed.items() if retired.get(place) != sha256}
    return in_use == _places(model, record.artifacts(workshop, model))


def _places(model: str, artifacts: Mapping[tuple[int, str], Mapping[str, Any]]) -> dict[str, str]:
    """Digest of the manifest of each artifact by its place, as the record has them."""
    return {f"{model}/{version}/{name}": payload["manifest_sha256"] for (version, name), payload in artifacts.items()}


def _bundle_directory(workshop: Workshop, model: str, version: int, name: str) -> Path:
    return workshop.settings.bundles_dir / model / str(version) / name


def mend_index(workshop: Workshop, chosen: Sequence[str], recorded: set[str]) -> None:
    """Enters every bundle of the chosen models that is whole and as recorded, and the aliases of the record.

    An index that cannot be read is written anew, with all models on record.
    """
    models = set(chosen)
    try:
        workshop.index.read()
    except BundleError:
        workshop.index.path.unlink()
        models |= recorded
    for model in sorted(models):
        if any(finding.verdict is not Verdict.PASS for finding in _index(workshop, model)):
            _rewrite(workshop, model)


def _rewrite(workshop: Workshop, model: str) -> None:
    workshop.index.remove(model)
    for (version, name), payload in record.artifacts(workshop, model).items():
        try:
            bundle = Bundle.open(_bundle_directory(workshop, model, version, name))
        except BundleError:
            continue
        if _is_recorded(bundle, payload):
            workshop.index.add(bundle)
    aliases = workshop.store.aliases(model)
    workshop.index.set_aliases(model, {alias.value: number for alias, number in aliases.items()})
