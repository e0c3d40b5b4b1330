"""Deployment, as far as it is built: conversion > parity > bundle > first release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.bundle import Bundle
from seatrial.domain.errors import UnknownVersionError, UsageError
from seatrial.domain.evidence import Finding
from seatrial.domain.model import Alias, ModelVersion, VersionRef
from seatrial.domain.progress import Progress
from seatrial.domain.release import Decision, decide_first_release
from seatrial.flows import followers, record
from seatrial.flows.develop import prepared
from seatrial.flows.lock import project_lock
from seatrial.flows.scores import scores_of
from seatrial.wiring.workshop import Workshop

__all__ = ["Converted", "convert", "first_release", "judged", "version_of"]


@dataclass(frozen=True, slots=True)
class Converted:
    """The artifacts of a version, and the decision about a first release where nothing was in production."""

    version: ModelVersion
    bundles: tuple[Bundle, ...]
    decision: Decision | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The parity findings of all artifacts."""
        return tuple(finding for bundle in self.bundles for finding in bundle.manifest.findings)

    @property
    def passed(self) -> bool:
        """Whether there are artifacts, and every one may be served."""
        return bool(self.bundles) and all(bundle.manifest.servable for bundle in self.bundles)


def convert(workshop: Workshop, ref: VersionRef, targets: Sequence[str], progress: Progress) -> Converted:
    """Makes the artifacts of a version, proves each against the source model, and puts them on record.

    A failing artifact is kept for inspection and can never be served. Where nothing is in production yet, the version
    is released if everything found about it and about the artifact that is served passes.

    Raises:
        UnknownModelError, UnknownVersionError: there is no such version.
        UsageError: there is no such target.
    """
    steps = workshop.conversion_steps(targets or workshop.settings.conversion.targets)
    if not steps:
        raise UsageError("There is nothing to convert to: name an artifact, such as onnx-fp32.")
    with project_lock(workshop.settings.home, progress):
        followers.reconcile(workshop, ref.name)  # first: a killed promotion took the alias that the same command names
        version = version_of(workshop, ref)
        scores = scores_of(workshop, record.source_of(workshop, version), prepared(workshop, progress), progress)
        bundles = []
        for step in steps:
            bundle = workshop.convert(version, step, scores, progress)
            record.artifact_made(workshop, version, bundle)
            bundles.append(bundle)
        decision = first_release(workshop, version)
        followers.anchor(workshop, version.name)
    return Converted(version, tuple(bundles), decision)


def version_of(workshop: Workshop, ref: VersionRef) -> ModelVersion:
    """The registered version a reference names; aliases are the store's.

    Raises:
        UnknownModelError, UnknownVersionError: there is none.
    """
    if isinstance(ref.selector, int):
        return workshop.registry.get_version(ref.name, ref.selector)
    aliases = workshop.store.aliases(ref.name)
    if Alias(ref.selector) not in aliases:
        held = ", ".join(f"{alias}={number}" for alias, number in aliases.items()) or "none"
        raise UnknownVersionError(
            f"{ref.name} has no {ref.selector} version (aliases: {held}): name a number, see seatrial models list."
        )
    return workshop.registry.get_version(ref.name, aliases[Alias(ref.selector)])


def first_release(workshop: Workshop, version: ModelVersion) -> Decision | None:
    """Decides about a version where nothing is in production yet, and carries it out; None where something is."""
    if Alias.PRODUCTION in workshop.store.aliases(version.name):
        return None
    decision = judged(workshop, version)
    record.decided(workshop, version, decision)
    return decision


def judged(workshop: Workshop, version: ModelVersion) -> Decision:
    """Whether a version may meet users: PROMOTE where all that was found about it and its served artifact passes.

    Acts of people are no claims about the version.
    """
    served = f"{version.ref}/{workshop.settings.serving.artifact}"
    found = workshop.store.findings(version.name, version.version)
    return decide_first_release(
        served,
        [finding for finding in found if finding.subject == version.ref and not finding.check.startswith("human.")],
        [finding for finding in found if finding.subject == served],
    )
