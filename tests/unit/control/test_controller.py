"""The controller over a data plane in memory: whole releases, faults of the world, and rivals."""

from __future__ import annotations

import contextlib
import logging
import sqlite3

import pytest

from seatrial.control.carrying_out import carry_out
from seatrial.domain.assignment import Intake
from seatrial.domain.errors import LeaseLostError, SeatrialError, StorageFullError, UnreachableError, UsageError
from seatrial.domain.evidence import Verdict
from seatrial.domain.model import Alias
from seatrial.domain.release import Action, Decision, Phase
from seatrial.flows import audit
from seatrial.flows.experiment_start import ExperimentRequest, begin_experiment
from seatrial.flows.release_acts import Act, act, do
from seatrial.flows.release_start import ReleaseRequest, start
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL, evaluation
from tests.releases import START_S, House, release_record


def actions(house: House, workshop: Workshop, looks: int = 1) -> list[str]:
    controller = house.controller(workshop)
    found = []
    for _ in range(looks):
        decisions = controller.look()
        assert decisions is not None
        found += [decision.action.value for decision in decisions]
    controller.close()
    return found


def latest(workshop: Workshop) -> Phase:
    return workshop.store.releases.latest()[MODEL].state.phase


def test_an_equal_version_reaches_everybody_and_stays(house: House, workshop: Workshop) -> None:
    record = house.begin(workshop)
    controller = house.controller(workshop)
    seen = []
    for _ in range(4):
        seen += [decision.action for decision in controller.look() or ()]
        house.traffic(500)
    house.now_s += 61
    seen += [decision.action for decision in controller.look() or ()]
    controller.look()

    assert seen == [Action.HOLD, Action.ADVANCE, Action.PROMOTE, Action.HOLD, Action.ADVANCE]
    assert latest(workshop) is Phase.DONE
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}
    assert workshop.registry.aliases(MODEL) == {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}
    assert workshop.index.aliases(MODEL) == {"production": 2, "previous": 1}
    percents = [split.percents for split in house.plane.applied]
    assert percents == [((2, 10.0), (1, 90.0)), ((2, 50.0), (1, 50.0)), ((2, 100.0), (1, 0.0)), ((2, 100.0),)]
    assert house.plane.loaded[MODEL] == {2}, "the version that lost is let go of"
    assert {f.verdict for f in audit.verify(workshop, [MODEL]) if f.check != "ledger.anchor"} == {Verdict.PASS}
    looks = workshop.store.releases.looks(record.state.release)
    assert [state.step for state, _ in looks if state.phase is Phase.RUNNING][-1] == 1
    assert looks[-1][1].steps[0].requests == 500


def test_a_version_that_fails_is_rolled_back_in_the_first_step(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    actions(house, workshop)
    house.traffic(300, failing=(2,))
    assert actions(house, workshop) == ["roll_back"]
    assert latest(workshop) is Phase.ROLLED_BACK
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}, "it is no candidate any more"
    assert house.plane.applied[-1].percents == ((1, 100.0),)
    assert house.plane.loaded[MODEL] == {1}


def test_a_fault_after_the_full_rollout_returns_to_the_previous_version(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    for _ in range(3):
        actions(house, workshop)
        house.traffic(500)
    assert latest(workshop) is Phase.BAKING
    house.traffic(300, failing=(2,))
    assert actions(house, workshop) == ["roll_back"]
    assert workshop.store.aliases(MODEL) == {Alias.PRODUCTION: 1}
    assert house.plane.current(MODEL) is not None
    assert house.plane.applied[-1].percents == ((1, 100.0),)


def test_a_version_that_could_not_be_unloaded_is_tried_again(
    house: House, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    act(workshop, MODEL, Act("rollback", "bob", house.now_s))
    refused: list[int] = []

    def busy(_model: str, version: int) -> None:
        refused.append(version)
        raise UnreachableError("Its requests still run.")

    monkeypatch.setattr(house.plane, "retire", busy)
    for _ in range(3):
        controller.look()
    assert refused == [2, 2, 2], "at each look"
    assert house.shares() == [(1, 100.0)], "traffic does not wait for it"
    monkeypatch.undo()
    controller.look()
    assert house.plane.loaded[MODEL] == {1}


def test_without_traffic_nothing_moves_and_the_same_hold_is_recorded_once(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    actions(house, workshop)
    seq = workshop.store.head().seq
    assert actions(house, workshop, looks=3) == ["hold"] * 3
    assert workshop.store.head().seq == seq


def test_each_decision_is_one_line_of_the_log(
    house: House, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    house.begin(workshop)
    with caplog.at_level(logging.INFO, "seatrial.control"):
        actions(house, workshop, looks=2)
    assert [record.message for record in caplog.records] == ["decision", "decision"]


def test_a_data_plane_that_vanishes_holds_the_release_and_it_goes_on_when_it_returns(
    house: House, workshop: Workshop
) -> None:
    house.begin(workshop)
    actions(house, workshop)
    house.traffic(500)
    house.plane.answers = False
    seq = workshop.store.head().seq
    assert actions(house, workshop, looks=2) == ["hold", "hold"]
    assert workshop.store.head().seq == seq + 1, "told once"
    house.plane.answers = True
    assert actions(house, workshop) == ["advance"]


@pytest.mark.parametrize("restored", [False, True])
def test_what_a_process_counted_before_it_ended_counts_once(house: House, workshop: Workshop, restored: bool) -> None:
    record = house.begin(workshop)
    actions(house, workshop)
    house.traffic(200)
    actions(house, workshop)
    house.plane.restart(restored=restored)
    actions(house, workshop)
    house.traffic(250)
    assert actions(house, workshop) == ["advance"], "450 of at most 400 requests have come"
    counters = workshop.store.releases.get(record.state.release).counters
    assert counters.steps[0].requests == 450


def test_a_data_plane_that_forgot_the_split_is_told_again(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    house.traffic(10)
    controller.look()
    applied = len(house.plane.applied)
    controller.look()
    assert len(house.plane.applied) == applied, "nothing is set that is true already"
    house.plane._splits.clear()
    controller.look()
    assert len(house.plane.applied) == applied + 1


def test_a_clock_that_goes_back_stops_nothing(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    actions(house, workshop)
    house.now_s -= 86_400
    house.traffic(500)
    assert actions(house, workshop) == ["advance"]
    house.traffic(500)
    assert actions(house, workshop) == ["promote"]


def test_a_clock_that_leaps_ahead_is_no_traffic(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    controller = house.controller(workshop)
    controller.look()
    house.traffic(50)
    house.now_s += 365 * 86_400
    looked = controller.look()
    assert looked is not None
    (decision,) = looked
    assert decision.action is Action.HOLD, "a year without requests proves nothing"
    house.now_s = START_S
    house.traffic(450)
    assert actions(house, house.workshop()) == ["advance"], "nor does a lease from next year bind anybody"


def test_a_plan_edited_half_way_changes_no_running_release(house: House, workshop: Workshop) -> None:
    record = house.begin(workshop)
    actions(house, workshop)
    house.overrides |= {"release.steps": (100.0,), "release.budget_requests": 100, "release.min_requests": 100}
    edited = house.workshop()
    house.traffic(500)
    assert actions(house, edited) == ["advance"]
    assert house.shares() == [(2, 50.0), (1, 50.0)], "the next step of the plan that was asked for"
    assert edited.store.releases.get(record.state.release).plan == record.plan
    edited.close()


def test_an_edited_record_stops_its_own_release_and_no_other(house: House, workshop: Workshop) -> None:
    """Two models in one store; somebody has edited the plan of the one whose name comes first."""
    release = house.begin(workshop).state.release
    other = release_record("r-2", "zebra", champion=1, challenger=2)
    workshop.store.move_aliases("zebra", {Alias.PRODUCTION: 1}, actor="ann", reason="A test.")
    begun = Decision(Action.ADVANCE, "zebra@2", "A test.", (evaluation(workshop.registry.get_version(MODEL, 2)),))
    workshop.store.releases.begin(other, begun, (), "ann")
    with contextlib.closing(sqlite3.connect(house.directory / ".seatrial" / "seatrial.db")) as database, database:
        (plan,) = database.execute("SELECT plan FROM releases WHERE release = ?", (release,)).fetchone()
        database.execute(
            "UPDATE releases SET plan = ? WHERE release = ?", (plan.replace('"alpha":0.05', '"alpha":0.5'), release)
        )
    with pytest.raises(SeatrialError, match="another plan"):
        house.controller(workshop).look()
    assert [split.model for split in house.plane.applied] == ["zebra"]


def test_one_of_two_controllers_is_active_and_the_other_takes_over_when_it_falls_silent(
    house: House, workshop: Workshop
) -> None:
    house.begin(workshop)
    first, second = house.controller(workshop), house.controller(workshop)
    assert first.look() is not None
    assert second.look() is None
    house.now_s += 31
    assert second.look() is not None
    assert first.look() is None


def test_a_controller_that_slept_through_its_lease_can_do_no_harm(
    house: House, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its reading and its saving, another one took over."""
    house.begin(workshop)
    sleeper, other = house.controller(workshop), house.controller(workshop)
    sleeper.look()
    house.traffic(500)
    counters = house.plane.counters

    def slow(release: str) -> object:
        monkeypatch.undo()
        house.now_s += 31
        assert other.look() is not None
        return counters(release)

    monkeypatch.setattr(house.plane, "counters", slow)
    with pytest.raises(LeaseLostError, match="taken over"):
        sleeper.look()
    state = workshop.store.releases.latest()[MODEL].state
    assert (state.step, state.phase) == (1, Phase.RUNNING), "advanced once, by the other"
    with pytest.raises(LeaseLostError):
        house.plane.apply(house.plane.applied[-1], fence=1)


def test_a_full_disk_holds_everything_as_it_is(
    house: House, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.begin(workshop)
    actions(house, workshop)
    house.traffic(500)

    def full(*_: object, **__: object) -> None:
        raise StorageFullError("No room.")

    monkeypatch.setattr(workshop.store.releases, "save", full)
    controller = house.controller(workshop)
    with pytest.raises(StorageFullError):
        controller.look()
    assert len(house.plane.applied) == 1
    monkeypatch.undo()
    assert controller.look() is not None
    assert len(house.plane.applied) == 2


def test_a_person_who_is_faster_wins(house: House, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    house.begin(workshop)
    actions(house, workshop)
    house.traffic(500)
    counters = house.plane.counters

    def meanwhile(release: str) -> object:
        act(workshop, MODEL, Act("rollback", "bob", house.now_s))
        return counters(release)

    monkeypatch.setattr(house.plane, "counters", meanwhile)
    actions(house, workshop)
    assert latest(workshop) is Phase.ROLLED_BACK
    assert house.plane.applied[-1].percents == ((1, 100.0),)


def test_a_second_release_follows_the_first(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    actions(house, workshop)
    act(workshop, MODEL, Act("rollback", "bob", house.now_s))
    actions(house, workshop)
    again = start(workshop, house.steering, ReleaseRequest(f"{MODEL}@2", "ann", house.now_s))
    assert again.record is not None
    assert actions(house, workshop) == ["hold"]
    assert house.plane.applied[-1].percents == ((2, 10.0), (1, 90.0))


def test_an_experiment_is_routed_until_it_ends_whoever_controls_it(house: House, workshop: Workshop) -> None:
    request = ExperimentRequest(MODEL, "production", "2", ("bought",), (), Intake(40.0, 50.0), "ann")
    record = begin_experiment(workshop, request).record
    assert record is not None
    assert actions(house, workshop) == []
    assert house.shares() == [(2, 20.0), (1, 80.0)]
    assert house.plane.experiments[MODEL] == record.assignment
    assert carry_out(workshop, house.steering, MODEL) == "here"

    grown = workshop.store.experiments.open_epoch(record.plan.experiment, Intake(100.0, 50.0), "More.", "ann")
    house.plane.answers = False
    assert actions(house, workshop) == [], "it vanished, and nothing was lost"
    house.plane.answers = True
    actions(house, workshop)
    assert house.plane.experiments[MODEL] == grown.assignment

    with pytest.raises(UsageError, match="end it first"):
        do(workshop, MODEL, Act("rollback", "ann", house.now_s))
    workshop.store.experiments.end(record.plan.experiment, "keep", "Enough.", [], "ann")
    actions(house, workshop)
    assert house.shares() == [(1, 100.0)]
    assert house.plane.experiments[MODEL] is None
    assert house.plane.loaded[MODEL] == {1}, "what lost is let go of"
    house.begin(workshop)
    actions(house, workshop)
    assert house.shares() == [(2, 10.0), (1, 90.0)]
