from __future__ import annotations

import pytest

from seatrial.domain.errors import UnknownVersionError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Lineage, VersionRef
from seatrial.flows import catalogue
from seatrial.wiring.workshop import Workshop
from tests.builders import LABELS
from tests.houses import MODEL, enrol, make_artifact, promote


def test_an_empty_project_has_no_versions(workshop: Workshop) -> None:
    assert catalogue.versions(workshop) == []


def test_versions_are_listed_with_roles_artifacts_and_their_worst_finding(workshop: Workshop) -> None:
    first = enrol(workshop, 1.0)
    make_artifact(workshop, first)
    promote(workshop, 1)
    enrol(workshop, 0.5, Verdict.FAIL)
    rows = catalogue.versions(workshop)
    assert [(row["version"], row["aliases"], row["verdict"], row["artifacts"]) for row in rows] == [
        (2, [], "fail", []),
        (1, ["production"], "pass", ["onnx-fp32"]),
    ]
    assert all(row["model"] == MODEL and row["at"].startswith("20") for row in rows)


def test_one_version_is_shown_with_all_that_is_known(workshop: Workshop) -> None:
    version = enrol(workshop)
    bundle = make_artifact(workshop, version)
    shown = catalogue.show(workshop, VersionRef.parse(f"{MODEL}@candidate"))
    assert shown["version"] == 1
    assert shown["labels"] == list(LABELS)
    assert shown["lineage"]["origin"] == "trained"
    assert shown["source_uri"].startswith("file://")
    assert [finding["check"] for finding in shown["findings"]] == ["evaluation.accuracy_floor", "conversion.flip_rate"]
    (artifact,) = shown["artifacts"]
    assert (artifact["artifact"], artifact["directory"]) == ("onnx-fp32", str(bundle.directory))
    assert artifact["servable"] is True


def test_a_version_that_is_not_there_is_refused(workshop: Workshop) -> None:
    enrol(workshop)
    with pytest.raises(UnknownVersionError):
        catalogue.show(workshop, VersionRef.parse(f"{MODEL}@9"))


def test_a_version_that_is_registered_but_not_on_record_yet_is_listed(workshop: Workshop) -> None:
    """Killed between the registry and the record; the next training completes it."""
    version = enrol(workshop)
    workshop.registry.create_version(
        MODEL, version.signature, Lineage(key="another"), workshop.settings.cache_dir / "made" / "1.0"
    )
    newest = catalogue.versions(workshop)[0]
    assert (newest["version"], newest["verdict"], newest["at"]) == (2, "inconclusive", "")
