"""What there is: versions, their roles, artifacts and findings, as JSON-ready rows."""

from __future__ import annotations

from typing import Any

from seatrial.domain.evidence import worst
from seatrial.domain.model import ModelVersion, VersionRef
from seatrial.flows.deploy import version_of
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop

__all__ = ["show", "versions"]


def versions(workshop: Workshop) -> list[dict[str, Any]]:
    """Every registered version, newest first within its model."""
    return [
        _row(workshop, version)
        for name in workshop.registry.list_models()
        for version in reversed(workshop.registry.list_versions(name))
    ]


def show(workshop: Workshop, ref: VersionRef) -> dict[str, Any]:
    """One version with everything known about it.

    Raises:
        UnknownModelError, UnknownVersionError: there is none.
    """
    version = version_of(workshop, ref)
    return {
        **{key: value for key, value in _row(workshop, version).items() if key != "artifacts"},
        "labels": list(version.signature.labels),
        "max_tokens": version.signature.max_tokens,
        "source_uri": workshop.registry.source_uri(version),
        "lineage": _registration(workshop, version).get("lineage", {}),
        "artifacts": [
            {"artifact": name, "directory": str(workshop.settings.bundles_dir / found["path"]), **found}
            for name, found in _artifacts(workshop, version).items()
        ],
        "findings": [finding.to_json() for finding in workshop.store.findings(version.name, version.version)],
    }


def _row(workshop: Workshop, version: ModelVersion) -> dict[str, Any]:
    aliases = workshop.store.aliases(version.name)
    return {
        "model": version.name,
        "version": version.version,
        "aliases": [alias.value for alias, number in aliases.items() if number == version.version],
        "verdict": worst(workshop.store.findings(version.name, version.version)).word,
        "artifacts": list(_artifacts(workshop, version)),
        "at": _registration(workshop, version).get("at", ""),
    }


def _artifacts(workshop: Workshop, version: ModelVersion) -> dict[str, dict[str, Any]]:
    model = workshop.index.read()["models"].get(version.name, {"versions": {}})
    artifacts: dict[str, dict[str, Any]] = model["versions"].get(str(version.version), {}).get("artifacts", {})
    return artifacts


def _registration(workshop: Workshop, version: ModelVersion) -> dict[str, Any]:
    """The version's registration with its moment, empty where it is not on record."""
    entries = workshop.store.entries(version.name, kind=EntryKind.REGISTERED, version=version.version)
    return next(({**entry.payload, "at": entry.at.isoformat(timespec="seconds")} for entry in entries), {})
