"""Which version answers a request: pure, so that the same request always gets the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from seatrial.domain.assignment import Assignment, Exposure
from seatrial.domain.errors import InvalidRequestError, ModelNotServedError
from seatrial.domain.release_counters import ReleasePlace
from seatrial.domain.traffic import TrafficSplit

__all__ = ["Routed", "RunningSplit", "Served", "Versioned", "pick_variant"]


class Versioned(Protocol):
    """Anything that is one version of a model."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...


VariantT = TypeVar("VariantT", bound=Versioned)


class Routed(NamedTuple, Generic[VariantT]):
    """The variant that answers a request, and where that counts in a running release or belongs in an experiment."""

    variant: VariantT
    place: ReleasePlace | None = None
    exposure: Exposure | None = None


@dataclass(frozen=True, slots=True)
class RunningSplit:
    """A split that holds.

    Attributes:
        places: where requests count that it sends to a version, by version.
        held: versions that must stay loaded.
        assignment: of the experiment that the split is for; None: it is for none.
    """

    split: TrafficSplit
    places: Mapping[str, ReleasePlace] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class Served(Generic[VariantT]):
    """What is loaded, and which versions of each model answer requests that name none. Changing it makes a new one.

    Attributes:
        variants: what is loaded, in the order it came.
        traffic: by model the version that answers without a split, and that has the largest share of one; the first
            that was loaded, until traffic is switched.
        splits: by model, where its traffic is split.
    """

    variants: tuple[VariantT, ...] = ()
    traffic: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, RunningSplit] = field(default_factory=dict)

    def adding(self, variant: VariantT) -> Served[VariantT]:
        """With one more; it gets traffic at once only where its model has no other version."""
        first = self.traffic.get(variant.model, variant.version)
        return replace(self, variants=(*self.variants, variant), traffic={**self.traffic, variant.model: first})

    def without(self, variant: VariantT) -> Served[VariantT]:
        """With one less, which must not be one that gets traffic of its model."""
        return replace(self, variants=tuple(other for other in self.variants if other is not variant))

    def switched(self, variant: VariantT) -> Served[VariantT]:
        """With all traffic of its model going to that loaded version."""
        splits = {model: running for model, running in self.splits.items() if model != variant.model}
        return replace(self, traffic={**self.traffic, variant.model: variant.version}, splits=splits)

    def split(self, running: RunningSplit) -> Served[VariantT]:
        """With the traffic of its model split so; all versions that get a share must be loaded."""
        model, (largest, _) = running.split.model, max(running.split.percents, key=lambda pair: pair[1])
        return replace(self, traffic={**self.traffic, model: str(largest)}, splits={**self.splits, model: running})

    def has_traffic(self, variant: VariantT) -> bool:
        """Whether requests that name no version may go to it, or a release needs it."""
        running = self.splits.get(variant.model)
        held = running is not None and variant.version in running.held
        return held or self.traffic[variant.model] == variant.version

    def find(self, model: str, version: str) -> VariantT:
        """The loaded version of that number.

        Raises:
            ModelNotServedError: it is not loaded.
        """
        for variant in self.variants:
            if variant.version == version and variant.model == model:
                return variant
        loaded = [variant.version for variant in self.variants if variant.model == model]
        if loaded:
            raise ModelNotServedError(
                f"Version {version!r} of {model} is not served here, only {', '.join(loaded)}: ask one of them."
            )
        names = ", ".join(self.traffic)
        raise ModelNotServedError(f"No model {model!r} is served here, only {names}: ask one of them.")


def pick_variant(
    served: Served[VariantT], model: str | None, version: str | None, default_model: str, unit: str
) -> Routed[VariantT]:
    """Which loaded version answers a request.

    Args:
        served: with at least one variant.
        model: the model that the request names, None where it names none.
        version: the version that it names, which then answers and counts in no release; None: the one that the
            model's traffic gives.
        default_model: the model for requests that name none; empty: the only one.
        unit: what the request belongs to; one unit gets one version while a split stands still.

    Raises:
        ModelNotServedError: the model or the version is not loaded.
        InvalidRequestError: the request names no model and several are loaded.
    """
    name = model or default_model
    if not name:
        if len(served.traffic) > 1:
            raise InvalidRequestError(
                f"Several models are served ({', '.join(served.traffic)}): ask one of them with "
                "POST /models/NAME/predict."
            )
        name = next(iter(served.traffic))
    if version:
        return Routed(served.find(name, version))
    running = served.splits.get(name)
    if running is None:
        return Routed(served.find(name, served.traffic.get(name, "")))
    if running.assignment is not None:
        exposure = running.assignment.exposure_of(unit)
        return Routed(served.find(name, str(running.assignment.version_of(exposure))), exposure=exposure)
    chosen = str(running.split.version_of(unit))
    return Routed(served.find(name, chosen), running.places.get(chosen))
