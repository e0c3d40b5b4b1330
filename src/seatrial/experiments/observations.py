"""What is kept of an experiment's units: for each epoch and arm how many came, and sums of each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from seatrial.domain.experiment import Side
from seatrial.stats.confidence_sequence import Sums

__all__ = ["ArmObservations", "EpochObservations", "Ignored", "Observations"]


@dataclass(frozen=True, slots=True)
class ArmObservations:
    """One arm in one epoch.

    Attributes:
        came: units first exposed there.
        metrics: sums of each metric over those whose outcome window is over; x is the same metric in the pre-period,
            or the number of figures of a ratio.
    """

    came: int = 0
    metrics: Mapping[str, Sums] = field(default_factory=dict)

    def sums(self, metric: str) -> Sums:
        """The sums of a metric, empty where no unit has it yet."""
        return self.metrics.get(metric, Sums())

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {"came": self.came, "metrics": {name: sums.to_json() for name, sums in self.metrics.items()}}


@dataclass(frozen=True, slots=True)
class EpochObservations:
    """Both arms in one epoch."""

    control: ArmObservations = field(default_factory=ArmObservations)
    treatment: ArmObservations = field(default_factory=ArmObservations)

    def arm(self, side: Side) -> ArmObservations:
        """One of them."""
        return self.control if side is Side.CONTROL else self.treatment


@dataclass(frozen=True, slots=True)
class Ignored:
    """What was not counted, and why.

    Attributes:
        foreign_outcomes: of units that were never exposed, or of metrics that nobody watches.
        outside_window: outcomes before the exposure or after the outcome window.
        late: exposures and outcomes that arrived when the time they are about had been closed.
        crossed: exposures of a unit to the arm that it does not belong to; 0 unless the assignment is broken.
        misplaced: exposures in an epoch that there is not.
    """

    foreign_outcomes: int = 0
    outside_window: int = 0
    late: int = 0
    crossed: int = 0
    misplaced: int = 0


@dataclass(frozen=True, slots=True)
class Observations:
    """All that a readout needs.

    Attributes:
        epochs: in their order.
        until_s: everything up to this time has been seen.
        waiting: units whose outcome window is not over.
        first_due_s: when the first of them will be; None where none waits.
        ignored: what was not counted.
    """

    epochs: tuple[EpochObservations, ...]
    until_s: float
    waiting: int = 0
    first_due_s: float | None = None
    ignored: Ignored = field(default_factory=Ignored)

    def came(self, side: Side) -> int:
        """Units that have come to an arm."""
        return sum(epoch.arm(side).came for epoch in self.epochs)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        epochs = [{side.value: epoch.arm(side).to_json() for side in Side} for epoch in self.epochs]
        return {
            "epochs": epochs,
            "until_s": self.until_s,
            "waiting": self.waiting,
            "first_due_s": self.first_due_s,
            "ignored": asdict(self.ignored),
        }
