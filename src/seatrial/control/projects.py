"""The projects of one control plane, found by what a request names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.domain.errors import (
    SeatrialError,
    UnknownExperimentError,
    UnknownModelError,
    UnknownReleaseError,
    UsageError,
)
from seatrial.flows import catalogue
from seatrial.store.store import Store
from seatrial.wiring.steering import Steering
from seatrial.wiring.workshop import Workshop

__all__ = ["Projects", "Steered"]


@dataclass(frozen=True, slots=True)
class Steered:
    """One project, and what steers its traffic."""

    workshop: Workshop
    steering: Steering

    @property
    def model(self) -> str:
        """The model it makes."""
        return self.workshop.settings.model.name


class Projects:
    """At least one project; the first one's section [control] holds for the process."""

    def __init__(self, steered: Sequence[Steered]) -> None:
        self._steered = tuple(steered)

    def __iter__(self) -> Iterator[Steered]:
        return iter(self._steered)

    @property
    def first(self) -> Steered:
        """The one that the process was started for."""
        return self._steered[0]

    def of_model(self, model: str | None) -> Steered:
        """The project of a model; the only project has all models, and needs no name.

        Raises:
            UsageError: no model is named, and there are several.
            UnknownModelError: no project here makes it.
        """
        if len(self._steered) == 1:
            return self.first
        models = ", ".join(one.model for one in self)
        if model is None:
            raise UsageError(f"Several models are looked after here: add ?model= with one of {models}.")
        for one in self:
            if one.model == model:
                return one
        raise UnknownModelError(f"No model {model!r} is looked after here, only {models}: name one of them.")

    def of_release(self, release: str) -> Steered:
        """The project that a release is on record with.

        Raises:
            UnknownReleaseError: it is with none.
        """
        return self._keeper(lambda store: store.releases.get(release), UnknownReleaseError)

    def of_experiment(self, experiment: str) -> Steered:
        """The project that an experiment is on record with.

        Raises:
            UnknownExperimentError: it is with none.
        """
        return self._keeper(lambda store: store.experiments.get(experiment), UnknownExperimentError)

    def _keeper(self, find: Callable[[Store], object], absent: type[SeatrialError]) -> Steered:
        """The first project whose store has it."""
        for one in self:
            try:
                find(one.workshop.store)
            except absent as error:
                unknown = error
            else:
                return one
        raise unknown

    def versions(self) -> list[dict[str, Any]]:
        """Every version of every project, once where projects share a registry."""
        rows = [row for one in self for row in catalogue.versions(one.workshop)]
        return list({(row["model"], row["version"]): row for row in rows}.values())
