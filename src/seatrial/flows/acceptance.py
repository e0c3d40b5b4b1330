"""The deployment test: bundle > process of its own > findings > ledger > alias ``staging``."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.config import Settings
from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.domain.model import Alias, ModelVersion, VersionRef
from seatrial.domain.progress import Progress
from seatrial.flows import followers, record
from seatrial.flows.deploy import version_of
from seatrial.flows.develop import prepared
from seatrial.flows.lock import project_lock
from seatrial.flows.scores import scores_of
from seatrial.flows.serve import Server
from seatrial.wiring.workshop import Workshop

__all__ = ["Acceptance", "accept"]

_OF_THE_SITE = {
    "port": 0,
    "grpc_port": 0,
    "internal_port": 0,
    "uds": "",
    "host": "127.0.0.1",
    "tls_cert_file": "",
    "tls_key_file": "",
    "api_keys_file": "",
    "admin_token_file": "",
    "default_model": "",
    "handler": "",
}
"""Where a site listens and whom it lets in is not what is tested: free ports of this machine, open to the test."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A deployment test and what it moved.

    Attributes:
        artifact: what was served.
        document: findings, capacity curve and settings, as JSON.
        against: findings on record, of earlier steps too, that do not pass.
        roles: aliases the version has now.
        report: the page for people.
    """

    version: ModelVersion
    artifact: str
    findings: tuple[Finding, ...]
    against: tuple[Finding, ...]
    document: dict[str, Any]
    roles: tuple[Alias, ...]
    report: Path

    @property
    def passed(self) -> bool:
        """Whether every finding passes: of this test, and of the steps before it."""
        return worst(self.findings) is Verdict.PASS and not self.against


def accept(workshop: Workshop, ref: VersionRef, progress: Progress, *, quick: bool = False) -> Acceptance:
    """Serves a version in a process of its own, checks it there, records what was found, and moves ``staging``.

    A version gets the alias where every finding on record about it and about the artifact passes, and loses it where
    one does not. The one in production keeps its role whatever is found: only a release or a rollback takes it away.

    Args:
        quick: with shorter windows; the limits stay.

    Raises:
        UnknownModelError, UnknownVersionError, UnknownArtifactError: there is no such version or artifact.
        RefusedArtifactError: the artifact's own findings forbid serving it.
    """
    settings = workshop.settings
    with project_lock(settings.home, progress):
        followers.reconcile(workshop, ref.name)
        version = version_of(workshop, ref)
        bundle = workshop.index.resolve(VersionRef(version.name, version.version), settings.serving.artifact)
        bundle.require_servable()
        dataset = prepared(workshop, progress)
        scores = scores_of(workshop, record.source_of(workshop, version), dataset, progress)
        asked = (scores, dataset.test.texts)
        accepted = workshop.accept(bundle, asked, lambda: _started(settings, bundle), progress, quick=quick)
        record.found(workshop, version, accepted.findings)
        against = _against(workshop, version, bundle.manifest.ref)
        _move(workshop, version, accepted.findings, against)
        followers.anchor(workshop, version.name)
        aliases = workshop.store.aliases(version.name)
    roles = tuple(alias for alias in Alias if aliases.get(alias) == version.version)
    artifact = bundle.manifest.artifact.name
    return Acceptance(version, artifact, accepted.findings, against, accepted.document, roles, accepted.report)


@contextlib.contextmanager
def _started(settings: Settings, bundle: Bundle) -> Iterator[Server]:
    """The bundle served with the project's settings, its journal in a directory that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="seatrial-test-") as home:
        chosen = {**settings.serving.model_dump(), **_OF_THE_SITE}
        environment = {f"SEATRIAL_SERVING__{key.upper()}": _as_text(value) for key, value in chosen.items()}
        arguments = ["--bundle", str(bundle.directory.resolve()), "--project", str(settings.project_dir)]
        with Server(arguments, {**environment, "SEATRIAL_HOME": home, "LOG_LEVEL": "error"}) as server:
            yield server


def _as_text(value: object) -> str:
    """A setting as a variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _against(workshop: Workshop, version: ModelVersion, served: str) -> tuple[Finding, ...]:
    """What is on record about the version or the artifact and does not pass."""
    return tuple(
        finding
        for finding in workshop.store.findings(version.name, version.version)
        if finding.subject in (version.ref, served) and finding.verdict is not Verdict.PASS
    )


def _move(
    workshop: Workshop, version: ModelVersion, findings: tuple[Finding, ...], against: tuple[Finding, ...]
) -> None:
    """Gives the version the alias ``staging``, or takes it away."""
    aliases = workshop.store.aliases(version.name)
    passed = worst(findings) is Verdict.PASS and not against
    if passed and aliases.get(Alias.PRODUCTION) != version.version:
        moves: dict[Alias, int | None] = {Alias.STAGING: version.version}
        if aliases.get(Alias.CANDIDATE) == version.version:
            moves[Alias.CANDIDATE] = None
        followers.move(workshop, version.name, moves, "The deployment test passes.", findings)
    elif not passed and aliases.get(Alias.STAGING) == version.version:
        reason = "The deployment test does not pass any more."
        followers.move(workshop, version.name, {Alias.STAGING: None}, reason, findings)
