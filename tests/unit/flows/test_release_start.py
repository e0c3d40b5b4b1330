"""What is refused before the first request, and what people may do about a release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.domain.errors import (
    LedgerConflictError,
    ReleasePlanError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UnreachableError,
    UsageError,
)
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.latency import LATENCY_EDGES_S, LatencyCounts
from seatrial.domain.model import Alias
from seatrial.domain.release import Phase
from seatrial.flows.release_acts import Act, act, do
from seatrial.flows.release_start import ReleaseRequest, Started, start
from seatrial.flows.release_status import listed, status
from seatrial.release.fake_plane import FakePlane
from seatrial.store.ledger import EntryKind
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, enrol, make_artifact, promote
from tests.releases import START_S, House, new_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return new_house(tmp_path)


@pytest.fixture
def workshop(house: House) -> Iterator[Workshop]:
    opened = house.workshop()
    yield opened
    opened.close()


def asked(house: House, workshop: Workshop, ref: str = f"{MODEL}@2", force_reason: str = "") -> Started:
    return start(workshop, house.steering, ReleaseRequest(ref, "ann", START_S, force_reason=force_reason))


def wanted(what: str, name: str = "bob", reason: str = "", *, break_glass: bool = False) -> Act:
    return Act(what, name, START_S + 1, reason, break_glass)


@pytest.mark.parametrize("subject", [f"{MODEL}@2", f"{MODEL}@2/onnx-fp32"])
@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_a_version_with_a_finding_that_does_not_pass_is_refused_by_name(
    house: House, workshop: Workshop, subject: str, verdict: Verdict
) -> None:
    finding = Finding("acceptance.overload", subject, verdict, "It did not shed.")
    workshop.store.record_findings(MODEL, 2, [finding], "ann")
    refused = asked(house, workshop)
    assert refused.record is None
    assert [one.check for one in refused.against] == ["acceptance.overload"]
    assert f"acceptance.overload is {verdict.word}" in refused.decision.reason
    assert workshop.store.releases.of_model(MODEL) == []


def test_findings_about_another_artifact_forbid_nothing(house: House, workshop: Workshop) -> None:
    finding = Finding("conversion.flip_rate", f"{MODEL}@2/onnx-int8", Verdict.FAIL, "It flips.")
    workshop.store.record_findings(MODEL, 2, [finding], "ann")
    assert asked(house, workshop).record is not None


def test_a_version_that_was_never_converted_is_refused(house: House, workshop: Workshop) -> None:
    enrol(workshop, 0.25)
    refused = asked(house, workshop, f"{MODEL}@3")
    assert refused.record is None
    assert "no conversion findings" in refused.decision.reason


def test_the_version_in_production_unknown_ones_and_a_second_release_are_refused(
    house: House, workshop: Workshop
) -> None:
    with pytest.raises(ReleasePlanError, match="in production already"):
        asked(house, workshop, f"{MODEL}@1")
    with pytest.raises(UnknownVersionError):
        asked(house, workshop, f"{MODEL}@9")
    with pytest.raises(UnknownModelError):
        asked(house, workshop, "other@1")
    assert asked(house, workshop).record is not None
    with pytest.raises(LedgerConflictError, match="under way"):
        asked(house, workshop)


def test_a_first_version_needs_no_release(tmp_path: Path) -> None:
    house = new_house(tmp_path / "one")
    workshop = house.workshop()
    workshop.store.move_aliases(MODEL, {Alias.PRODUCTION: None}, actor="ann", reason="A test.")
    with pytest.raises(UsageError, match="Nothing of tiny is in production yet"):
        asked(house, workshop)
    workshop.close()


def test_an_artifact_that_is_not_in_the_index_is_refused(house: House, workshop: Workshop) -> None:
    workshop.index.remove(MODEL)
    make_artifact(workshop, workshop.registry.get_version(MODEL, 2), "onnx-int8")
    with pytest.raises(UnknownArtifactError):
        asked(house, workshop)


def test_a_plan_without_power_is_refused_unless_somebody_answers_for_it(house: House) -> None:
    house.overrides["release.effect_error_ratio"] = 1.1
    workshop = house.workshop()
    refused = asked(house, workshop)
    assert refused.record is None
    assert [finding.check for finding in refused.against] == ["release.plan_power"]
    forced = asked(house, workshop, force_reason="A hot fix.")
    assert forced.record is not None
    (override,) = workshop.store.releases.acts(forced.record.state.release)
    assert override.check == "human.override"
    assert override.details["of"] == "release.plan_power"
    assert override.reason == "ann: A hot fix."
    workshop.close()


def test_the_baseline_is_what_production_shows(house: House, workshop: Workshop) -> None:
    record = asked(house, workshop).record
    assert record is not None
    assert record.baseline.labels == ("negative", "positive")
    assert 0 < record.baseline.thresholds_s[0] < record.baseline.tolerant_s[0]


def test_a_production_that_is_slower_than_the_ladder_keeps_the_thresholds_it_can(
    house: House, workshop: Workshop
) -> None:
    counts = [0] * (len(LATENCY_EDGES_S) + 1)
    counts[60], counts[-1] = 900, 100
    house.plane = FakePlane(LatencyCounts(tuple(LATENCY_EDGES_S), tuple(counts)))
    house.plane.loaded[MODEL] = {1}
    record = asked(house, workshop).record
    assert record is not None
    assert len(record.baseline.thresholds_s) == len(record.baseline.tolerant_s) >= 1


def test_without_traffic_or_data_plane_there_is_no_baseline(house: House, workshop: Workshop) -> None:
    counts = (99, *[0] * len(LATENCY_EDGES_S))
    house.plane = FakePlane(LatencyCounts(tuple(LATENCY_EDGES_S), counts))
    house.plane.loaded[MODEL] = {1}
    with pytest.raises(UsageError, match="answered 99 requests"):
        asked(house, workshop)
    house.plane.answers = False
    with pytest.raises(UnreachableError):
        asked(house, workshop)
    assert workshop.store.releases.of_model(MODEL) == []


# ---- acts of people


def test_pause_and_resume(house: House, workshop: Workshop) -> None:
    record = house.begin(workshop)
    with pytest.raises(UsageError, match="is running and cannot be resumed"):
        act(workshop, MODEL, wanted("resume"))
    assert act(workshop, MODEL, wanted("pause", reason="A sale is on.")).state.phase is Phase.PAUSED
    house.controller(workshop).look()
    house.traffic(500)
    house.now_s += 31
    house.controller(workshop).look()
    assert workshop.store.releases.get(record.state.release).state.step == 0
    assert act(workshop, MODEL, wanted("resume")).state.phase is Phase.RUNNING
    house.now_s += 31
    house.controller(workshop).look()
    assert workshop.store.releases.get(record.state.release).state.step == 1
    said = [(finding.check, finding.details["name"]) for finding in workshop.store.releases.acts(record.state.release)]
    assert said == [("human.pause", "bob"), ("human.resume", "bob")]


def test_a_step_that_wants_another_persons_approval_waits_for_it(house: House) -> None:
    house.overrides["release.approval"] = "another"
    workshop = house.workshop()
    house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    house.traffic(500)
    held = (controller.look() or [])[0]
    assert "somebody other than ann" in held.reason
    with pytest.raises(UsageError, match="somebody else must approve"):
        act(workshop, MODEL, wanted("approve", "ann"))
    act(workshop, MODEL, wanted("approve", "bob"))
    advanced = (controller.look() or [])[0]
    assert advanced.action.value == "advance"
    assert [finding.details["name"] for finding in advanced.findings if finding.check == "human.approval"] == ["bob"]
    workshop.close()


def test_nobody_approves_what_needs_no_approval(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    with pytest.raises(UsageError, match="nothing to approve"):
        act(workshop, MODEL, wanted("approve"))


def test_a_person_may_end_a_hold_and_never_pass_a_fail(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    house.traffic(50)
    act(workshop, MODEL, wanted("promote", reason="Seen enough."))
    assert [one.action.value for one in controller.look() or ()] == ["advance"]
    house.traffic(400, failing=(2,))
    act(workshop, MODEL, wanted("promote", reason="I do not believe it.", break_glass=True))
    assert [one.action.value for one in controller.look() or ()] == ["roll_back"]


def test_breaking_the_glass_needs_a_reason(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    with pytest.raises(UsageError, match="needs a reason"):
        act(workshop, MODEL, wanted("promote", break_glass=True))
    with pytest.raises(UsageError, match="no act 'explode'"):
        act(workshop, MODEL, wanted("explode"))


def test_a_rollback_ends_the_release_at_once_and_names_who(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    house.controller(workshop).look()
    done = do(workshop, MODEL, wanted("rollback", reason="Customers call."))
    assert done["phase"] == "rolled_back"
    entry = list(workshop.store.entries(MODEL, kind=EntryKind.ALIAS))[-1]
    assert entry.actor == "bob"
    assert entry.payload["reason"] == "bob: Customers call."
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    with pytest.raises(UsageError, match="No release of tiny is under way"):
        act(workshop, MODEL, wanted("pause"))


def test_after_a_release_the_rollback_returns_to_the_previous_version(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    controller = house.controller(workshop)
    for _ in range(3):
        controller.look()
        house.traffic(500)
    with pytest.raises(UsageError, match="has all the traffic already"):
        act(workshop, MODEL, wanted("promote"))
    house.now_s += 61
    controller.look()
    done = do(workshop, MODEL, wanted("rollback"))
    assert done["version"] == 1
    controller.look()
    assert house.plane.applied[-1].percents == ((1, 100.0),)
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    with pytest.raises(UsageError, match="nothing to go back to"):
        do(workshop, MODEL, wanted("rollback"))


def test_the_status_says_where_it_stands_and_what_is_missing(house: House, workshop: Workshop) -> None:
    record = house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    house.traffic(100)
    controller.look()
    record = workshop.store.releases.get(record.state.release)
    document = status(workshop, record, house.now_s)
    assert document["split"] == {"2": 10.0, "1": 90.0}
    assert document["steps"][0]["requests"] == 100
    assert set(document["evidence"]) == {"errors", "latency", "classes", "together"}
    assert document["missing"] == "Too little traffic so far: 300 requests are missing."
    assert [head["release"] for head in listed(workshop, MODEL)] == [record.state.release]
    promote(workshop, 1)  # changes nothing: it is in production
