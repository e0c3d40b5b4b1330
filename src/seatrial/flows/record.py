"""What goes on record about a version, and what its findings move."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.bundle import MANIFEST_FILE, Bundle
from seatrial.domain.errors import BundleError, LedgerConflictError, UnknownModelError, UnknownVersionError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias, Lineage, ModelVersion
from seatrial.domain.release import Action, Decision
from seatrial.flows.followers import move
from seatrial.store.ledger import EntryDraft, EntryKind
from seatrial.wiring.workshop import Workshop

__all__ = [
    "artifact_made",
    "artifacts",
    "decided",
    "found",
    "nominate",
    "production_source",
    "registered",
    "retired_artifacts",
    "retirement",
    "source_of",
]

_log = logging.getLogger(__name__)


def registered(workshop: Workshop, version: ModelVersion, source: Bundle, lineage: Lineage) -> None:
    """Records a version's registration, once.

    Raises:
        LedgerConflictError: the record knows another model by this version.
    """
    recorded = _recorded_source(workshop, version)
    _refuse_another(version, source, recorded)
    if recorded is not None:
        return
    payload = {
        "lineage": lineage.to_json(),
        "source_sha256": source.manifest.artifact.sha256,
        "source_uri": workshop.registry.source_uri(version),
    }
    workshop.store.append(EntryKind.REGISTERED, version.name, version.version, payload, workshop.actor)


def artifacts(workshop: Workshop, model: str) -> dict[tuple[int, str], dict[str, Any]]:
    """The last entry about each artifact that is not retired, by version and name."""
    return {place: payload for place, payload in _latest(workshop, model).items() if "retired" not in payload}


def retired_artifacts(workshop: Workshop, model: str) -> dict[tuple[int, str], dict[str, Any]]:
    """The last entry about each artifact that `seatrial gc` has taken out of use, by version and name."""
    return {place: payload for place, payload in _latest(workshop, model).items() if "retired" in payload}


def retirement(model: str, version: int, payload: Mapping[str, Any], reason: str, actor: str) -> EntryDraft:
    """What goes on record before an artifact is deleted; made again, it goes on record anew."""
    return EntryDraft(EntryKind.ARTIFACT, model, version, {**payload, "servable": False, "retired": reason}, actor)


def _latest(workshop: Workshop, model: str) -> dict[tuple[int, str], dict[str, Any]]:
    return {
        (entry.version, entry.payload["artifact"]): dict(entry.payload)
        for entry in workshop.store.entries(model, kind=EntryKind.ARTIFACT)
        if entry.version is not None
    }


def found(workshop: Workshop, version: ModelVersion, findings: Sequence[Finding]) -> None:
    """Records findings about a version or its artifacts; the same findings again add nothing."""
    workshop.store.record_findings(version.name, version.version, findings, actor=workshop.actor)


def artifact_made(workshop: Workshop, version: ModelVersion, bundle: Bundle) -> None:
    """Records an artifact's digests and its findings, and enters it in the index and the registry."""
    manifest = bundle.manifest
    payload = {
        "artifact": manifest.artifact.name,
        "sha256": manifest.artifact.sha256,
        "manifest_sha256": manifest.sha256,
        "derived_from": manifest.artifact.derived_from,
        "servable": manifest.servable,
    }
    _append_once(workshop, EntryKind.ARTIFACT, version, payload, key="artifact")
    found(workshop, version, manifest.findings)
    workshop.index.add(bundle)
    workshop.registry.add_bundle(version, bundle.directory)


def nominate(workshop: Workshop, version: ModelVersion, findings: Sequence[Finding]) -> None:
    """Makes a version the candidate, unless it has been released already."""
    roles = {alias for alias, number in workshop.store.aliases(version.name).items() if number == version.version}
    if roles & {Alias.PRODUCTION, Alias.PREVIOUS, Alias.STAGING}:
        return
    move(workshop, version.name, {Alias.CANDIDATE: version.version}, "Evaluation passes.", findings)


def decided(workshop: Workshop, version: ModelVersion, decision: Decision) -> None:
    """Carries out a decision about a version and records it with its findings; logs it in one line."""
    said = {"action": decision.action.value, "subject": decision.subject, "reason": decision.reason}
    if decision.action is Action.PROMOTE:
        moves: dict[Alias, int | None] = {Alias.PRODUCTION: version.version}
        if workshop.store.aliases(version.name).get(Alias.CANDIDATE) == version.version:
            moves[Alias.CANDIDATE] = None
        move(workshop, version.name, moves, decision.reason, decision.findings)
    else:
        payload = {**said, "findings": [finding.to_json() for finding in decision.findings]}
        _append_once(workshop, EntryKind.DECISION, version, payload, key="subject")
    _log.info("decision", extra=said)


def production_source(workshop: Workshop, model: str) -> Bundle | None:
    """The source bundle of the version in production, fetched if need be; None where there is none.

    Raises:
        LedgerConflictError: the registry does not have the version, or another one by its number.
    """
    number = workshop.store.aliases(model).get(Alias.PRODUCTION)
    if number is None:
        return None
    try:
        version = workshop.registry.get_version(model, number)
    except (UnknownModelError, UnknownVersionError) as error:
        raise LedgerConflictError(
            f"{model}@{number} is in production by the record, but the registry does not have it: restore the registry "
            "from a backup, or keep a new record ([store] database_url)."
        ) from error
    return source_of(workshop, version)


def source_of(workshop: Workshop, version: ModelVersion) -> Bundle:
    """A version's source bundle in the local cache, fetched from the registry where it is not there as it was.

    Raises:
        LedgerConflictError: what the registry has is not the version on record.
    """
    directory = workshop.settings.cache_dir / "sources" / version.name / str(version.version)
    recorded = _recorded_source(workshop, version)
    cached = _cached(directory)
    if cached is not None and cached.manifest.artifact.sha256 == recorded:
        return cached
    fetched = Bundle.open(workshop.registry.fetch_bundle(version, "source", directory))
    _refuse_another(version, fetched, recorded)
    return fetched


def _cached(directory: Path) -> Bundle | None:
    if not (directory / MANIFEST_FILE).exists():
        return None
    try:
        return Bundle.open(directory)
    except BundleError as error:
        _log.warning("cached source discarded", extra={"reason": str(error)})
        return None


def _recorded_source(workshop: Workshop, version: ModelVersion) -> str | None:
    """Digest of the source a version was registered with, None where its registration is not on record."""
    for entry in workshop.store.entries(version.name, kind=EntryKind.REGISTERED, version=version.version):
        return str(entry.payload["source_sha256"])
    return None


def _refuse_another(version: ModelVersion, source: Bundle, recorded: str | None) -> None:
    """Raises LedgerConflictError where the record knows the version with another source."""
    sha256 = source.manifest.artifact.sha256
    if recorded is not None and recorded != sha256:
        raise LedgerConflictError(
            f"The registry's {version.ref} is another model (source {sha256[:12]}) than the one on record "
            f"({recorded[:12]}): the registry was emptied or exchanged. Restore it from a backup, or keep a new record "
            "([store] database_url)."
        )


def _append_once(
    workshop: Workshop, kind: EntryKind, version: ModelVersion, payload: Mapping[str, Any], key: str
) -> None:
    draft = EntryDraft(kind, version.name, version.version, payload, workshop.actor)
    workshop.store.append_once(draft, key)
