"""Commands work with and without a control plane; the loop acts at once on what people do."""

from __future__ import annotations

import threading

from seatrial.control.carrying_out import CarriedOut, carry_out
from seatrial.control.loop import run_looks
from seatrial.domain.errors import StorageFullError, UnreachableError
from seatrial.flows.release_acts import Act, do
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL
from tests.releases import House


def test_without_a_control_plane_the_command_sets_the_traffic_itself(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    assert carry_out(workshop, house.steering, MODEL) is CarriedOut.HERE
    assert house.shares() == [(2, 10.0), (1, 90.0)]
    do(workshop, MODEL, Act("rollback", "bob", house.now_s))
    assert carry_out(workshop, house.steering, MODEL) is CarriedOut.HERE
    assert house.shares() == [(1, 100.0)]


def test_without_a_data_plane_traffic_follows_later(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    house.plane.answers = False
    assert carry_out(workshop, house.steering, MODEL) is CarriedOut.NOT_YET
    house.plane.answers = True
    assert carry_out(workshop, house.steering, MODEL) is CarriedOut.HERE


def test_the_active_control_plane_acts_at_once_on_what_a_command_records(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    mine, stop = house.workshop(), threading.Event()
    head, controller = mine.store.head, house.controller(mine)
    # An hour between two looks: whatever happens sooner, happens because the record grew.
    loop = threading.Thread(target=run_looks, args=(controller, lambda: head().seq, 3600.0, stop))
    house.now_s = 4e9  # the controller's lease must not look run out to the command's real clock
    loop.start()
    try:
        while not house.plane.applied:
            stop.wait(0.01)
        do(workshop, MODEL, Act("rollback", "bob", house.now_s))
        assert carry_out(workshop, house.steering, MODEL) in (CarriedOut.THERE, CarriedOut.HERE)
        assert house.shares() == [(1, 100.0)]
    finally:
        stop.set()
        loop.join()
        mine.close()


def test_the_loop_outlives_faults_and_gives_the_lease_back(house: House, workshop: Workshop) -> None:
    house.begin(workshop)
    controller, stop = house.controller(workshop), threading.Event()
    faults: list[Exception] = []

    class Failing:
        def look(self) -> None:
            faults.append(StorageFullError("No room.") if not faults else UnreachableError("Away."))
            if len(faults) == 3:
                stop.set()
            raise faults[-1]

        def close(self) -> None:
            controller.close()
            raise UnreachableError("Away.")

    controller.look()
    run_looks(Failing(), lambda: 0, 0.001, stop)  # type: ignore[arg-type]  # what fails, and nothing else of it
    assert len(faults) == 3
    assert house.controller(workshop).look() is not None, "the lease is free"
