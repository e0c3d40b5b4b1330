"""Deployment as far as it is built: artifacts on record, and a first release only by findings."""

from __future__ import annotations

import pytest

from seatrial.domain.errors import UnknownModelError, UnknownVersionError, UsageError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias, VersionRef
from seatrial.domain.progress import SILENT
from seatrial.domain.release import Action
from seatrial.flows.deploy import Converted, convert, first_release, version_of
from seatrial.flows.develop import develop
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.handmade import MODEL, write_project
from tests.houses import enrol, make_artifact, open_workshop


def ref(text: str) -> VersionRef:
    return VersionRef.parse(text)


def test_a_proven_artifact_brings_the_first_version_into_production(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    converted = convert(handmade, ref(f"{MODEL}@candidate"), (), SILENT)
    assert [bundle.manifest.artifact.name for bundle in converted.bundles] == ["onnx-fp32"]
    assert converted.passed
    assert converted.decision is not None
    assert converted.decision.action is Action.PROMOTE
    assert handmade.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert handmade.index.resolve(ref(MODEL), "onnx-fp32").directory == converted.bundles[0].directory
    head = handmade.store.head()
    again = convert(handmade, ref(MODEL), (), SILENT)
    assert (again.bundles, again.decision) == (converted.bundles, None)
    assert handmade.store.head() == head


def test_an_artifact_that_fails_its_gate_is_recorded_and_holds_the_release(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    # No number of rows proves so small a share.
    strict = open_workshop(handmade.settings.project_dir, handmade.registry, {"conversion.fp32_flip_rate_limit": 1e-9})
    converted = convert(strict, ref(f"{MODEL}@1"), (), SILENT)
    assert not converted.passed
    assert converted.decision is not None
    assert converted.decision.action is Action.HOLD
    assert Alias.PRODUCTION not in strict.store.aliases(MODEL)
    (entry,) = strict.store.entries(kind=EntryKind.ARTIFACT)
    assert entry.payload["servable"] is False
    strict.close()


def test_what_an_artifact_is_made_from_is_made_and_recorded_first(handmade: Workshop) -> None:
    assert handmade.conversion_steps(["onnx-int8"]) == ["onnx-fp32", "onnx-int8"]
    assert handmade.conversion_steps(["onnx-int8", "onnx-fp32", "onnx-int8"]) == ["onnx-fp32", "onnx-int8"]


def test_a_later_version_is_not_released_by_converting_it(handmade: Workshop) -> None:
    develop(handmade, SILENT)
    convert(handmade, ref(f"{MODEL}@1"), (), SILENT)
    later = open_workshop(write_project(handmade.settings.project_dir, seed=1), handmade.registry)
    develop(later, SILENT)
    converted = convert(later, ref(f"{MODEL}@2"), (), SILENT)
    assert converted.passed
    assert converted.decision is None
    assert later.store.aliases(MODEL) == {Alias.PRODUCTION: 1, Alias.CANDIDATE: 2}
    later.close()


@pytest.mark.parametrize(
    ("of_version", "of_artifact", "action"),
    [
        (Verdict.PASS, Verdict.PASS, Action.PROMOTE),
        (Verdict.FAIL, Verdict.PASS, Action.HOLD),
        (Verdict.PASS, Verdict.INCONCLUSIVE, Action.HOLD),
    ],
)
def test_only_findings_that_all_pass_release(
    workshop: Workshop, of_version: Verdict, of_artifact: Verdict, action: Action
) -> None:
    version = enrol(workshop, verdict=of_version)
    make_artifact(workshop, version, verdict=of_artifact)
    decision = first_release(workshop, version)
    assert decision is not None
    assert decision.action is action


def test_another_artifact_than_the_one_that_is_served_proves_nothing_for_it(workshop: Workshop) -> None:
    version = enrol(workshop)
    make_artifact(workshop, version, "onnx-int8")
    decision = first_release(workshop, version)
    assert decision is not None
    assert decision.reason == "Not released: no conversion findings."


def test_references_are_resolved_by_the_record(workshop: Workshop) -> None:
    version = enrol(workshop)
    assert version_of(workshop, ref(f"{MODEL}@candidate")) == version_of(workshop, ref(f"{MODEL}@1")) == version
    with pytest.raises(UnknownVersionError, match=r"no production version \(aliases: candidate=1\)"):
        version_of(workshop, ref(MODEL))
    with pytest.raises(UnknownVersionError):
        version_of(workshop, ref(f"{MODEL}@2"))
    with pytest.raises(UnknownModelError):
        version_of(workshop, ref("nobody@1"))


def test_no_target_and_an_unknown_one_are_refused(handmade: Workshop) -> None:
    with pytest.raises(UsageError, match="There is no target 'onnx-fp64'"):
        convert(handmade, ref(f"{MODEL}@1"), ["onnx-fp64"], SILENT)
    nothing = open_workshop(handmade.settings.project_dir, handmade.registry, {"conversion.targets": ()})
    with pytest.raises(UsageError, match="nothing to convert to"):
        convert(nothing, ref(f"{MODEL}@1"), (), SILENT)


def test_no_artifact_at_all_is_no_success(workshop: Workshop) -> None:
    assert not Converted(enrol(workshop), (), None).passed
