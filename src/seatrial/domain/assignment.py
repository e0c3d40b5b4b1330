"""Which units take part in an experiment, since which epoch, and in which arm: a pure function of the unit.

An experiment takes in a first share of all units, and with each new epoch further ones; who has been taken in keeps
arm and epoch for good. So nothing about any unit is remembered, whatever ends or starts, and however many data planes
there are: see docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.domain.errors import ExperimentPlanError, ReleasePlanError
from seatrial.domain.experiment import Side
from seatrial.domain.release_plan import FULL_PERCENT, check_percent
from seatrial.domain.traffic import TrafficSplit, bucket

__all__ = ["Assignment", "Exposure", "Intake"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """Where a request belongs in a running experiment.

    Attributes:
        experiment: its identifier.
        arm: of the version that the unit gets.
        epoch: in which the unit was taken in, from 0.
    """

    experiment: str
    arm: Side
    epoch: int


@dataclass(frozen=True, slots=True)
class Intake:
    """The units that an epoch takes in.

    Attributes:
        units_percent: share of all units that take part from this epoch on, those of earlier epochs included.
        treatment_percent: share of the newly taken in that gets the treatment.
    """

    units_percent: float
    treatment_percent: float

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"units_percent": self.units_percent, "treatment_percent": self.treatment_percent}


@dataclass(frozen=True, slots=True)
class Assignment:
    """How an experiment spreads units over two versions.

    Attributes:
        experiment: its identifier, and what units are spread with.
        model: name of the model.
        control: version of the one arm; it also answers those who do not take part.
        treatment: version of the other.
        epochs: what each took in, in order.

    Raises:
        ExperimentPlanError: an impossible share, or an epoch that takes nobody in.
    """

    experiment: str
    model: str
    control: int
    treatment: int
    epochs: tuple[Intake, ...]

    def __post_init__(self) -> None:
        if self.control == self.treatment:
            raise ExperimentPlanError(f"Version {self.control} cannot be compared with itself: name another.")
        if not self.epochs:
            raise ExperimentPlanError("An experiment takes units in: give it a first epoch.")
        before = 0.0
        for epoch in self.epochs:
            _check_epoch(epoch, before)
            before = epoch.units_percent
        if not 0 < self.treated_percent < FULL_PERCENT:
            raise ExperimentPlanError(
                f"Version {self.treatment} would get {self.treated_percent:g} % of the traffic: then nothing compares."
            )

    @property
    def treated_percent(self) -> float:
        """The treatment's share of the model's whole traffic, to a hundredth of a percent."""
        total, before = 0.0, 0.0
        for epoch in self.epochs:
            total += (epoch.units_percent - before) * epoch.treatment_percent / FULL_PERCENT
            before = epoch.units_percent
        return round(total, 2)

    def exposure_of(self, unit: str) -> Exposure | None:
        """Where a unit belongs; None: it does not take part.

        Example:
            >>> first = Assignment("e-1", "m", 1, 2, (Intake(20.0, 50.0),))
            >>> grown = Assignment("e-1", "m", 1, 2, (Intake(20.0, 50.0), Intake(100.0, 10.0)))
            >>> units = [f"user-{number}" for number in range(1000)]
            >>> all(first.exposure_of(unit) in (None, grown.exposure_of(unit)) for unit in units)
            True
        """
        place, lower = FULL_PERCENT * bucket(unit, self.experiment), 0.0
        for number, epoch in enumerate(self.epochs):
            if place < epoch.units_percent:
                treated = (epoch.units_percent - lower) * epoch.treatment_percent / FULL_PERCENT
                return Exposure(self.experiment, Side.TREATMENT if place - lower < treated else Side.CONTROL, number)
            lower = epoch.units_percent
        return None

    def version_of(self, exposure: Exposure | None) -> int:
        """The version that answers there."""
        return self.treatment if exposure is not None and exposure.arm is Side.TREATMENT else self.control

    def split(self) -> TrafficSplit:
        """The shares of the whole traffic that come of it."""
        share = self.treated_percent
        percents = ((self.treatment, share), (self.control, round(FULL_PERCENT - share, 2)))
        return TrafficSplit(self.model, percents, self.experiment)

    def continues(self, earlier: Assignment) -> bool:
        """Whether nobody whom `earlier` had taken in is moved."""
        same = (self.experiment, self.model, self.control, self.treatment) == (
            earlier.experiment, earlier.model, earlier.control, earlier.treatment
        )  # fmt: skip
        return same and self.epochs[: len(earlier.epochs)] == earlier.epochs

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        epochs = [epoch.to_json() for epoch in self.epochs]
        return {
            "experiment": self.experiment,
            "model": self.model,
            "control": self.control,
            "treatment": self.treatment,
            "epochs": epochs,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Assignment:
        """What `to_json` wrote.

        Raises:
            ExperimentPlanError: it is none, or an impossible one.
        """
        try:
            return cls(
                str(document["experiment"]),
                str(document["model"]),
                int(document["control"]),
                int(document["treatment"]),
                _epochs_of(document["epochs"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ExperimentPlanError(f"This is no assignment of an experiment ({error!r}).") from error


def _epochs_of(documents: Sequence[Mapping[str, Any]]) -> tuple[Intake, ...]:
    return tuple(Intake(float(one["units_percent"]), float(one["treatment_percent"])) for one in documents)


def _check_epoch(epoch: Intake, before: float) -> None:
    try:
        check_percent(epoch.units_percent)
        check_percent(epoch.treatment_percent)
    except ReleasePlanError as error:
        raise ExperimentPlanError(str(error)) from error
    if not 0 < epoch.treatment_percent < FULL_PERCENT:
        raise ExperimentPlanError(
            f"A share of {epoch.treatment_percent:g} % leaves one arm empty: use more than 0, less than 100."
        )
    if epoch.units_percent <= before:
        raise ExperimentPlanError(
            f"{epoch.units_percent:g} % of the units take part after {before:g} %: an epoch takes new units in, and "
            "who takes part keeps their arm; where all take part, stop and start another experiment."
        )
