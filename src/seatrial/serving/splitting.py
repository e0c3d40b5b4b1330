"""Which version answers a request: pure, so that the same request always gets the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from seatrial.domain.errors import InvalidRequestError, ModelNotServedError

__all__ = ["Served", "Versioned", "pick_variant"]


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


@dataclass(frozen=True, slots=True)
class Served(Generic[VariantT]):
    """What is loaded, and which version of each model answers requests that name none. Changing it makes a new one.

    Attributes:
        variants: what is loaded, in the order it came.
        traffic: version by model; the first that was loaded, until traffic is switched.
    """

    variants: tuple[VariantT, ...] = ()
    traffic: Mapping[str, str] = field(default_factory=dict)

    def adding(self, variant: VariantT) -> Served[VariantT]:
        """With one more; it gets traffic at once only where its model has no other version."""
        first = self.traffic.get(variant.model, variant.version)
        return Served((*self.variants, variant), {**self.traffic, variant.model: first})

    def without(self, variant: VariantT) -> Served[VariantT]:
        """With one less, which must not be the one that gets its model's traffic."""
        return replace(self, variants=tuple(other for other in self.variants if other is not variant))

    def switched(self, variant: VariantT) -> Served[VariantT]:
        """With all traffic of its model going to that loaded version."""
        return replace(self, traffic={**self.traffic, variant.model: variant.version})

    def has_traffic(self, variant: VariantT) -> bool:
        """Whether requests that name no version go to it."""
        return self.traffic[variant.model] == variant.version

    def find(self, model: str, version: str) -> VariantT:
        """The loaded version of that number.

        Raises:
            ModelNotServedError: it is not loaded.
        """
        loaded = {variant.version: variant for variant in self.variants if variant.model == model}
        if version in loaded:
            return loaded[version]
        if loaded:
            raise ModelNotServedError(
                f"Version {version!r} of {model} is not served here, only {', '.join(loaded)}: ask one of them."
            )
        names = ", ".join(self.traffic)
        raise ModelNotServedError(f"No model {model!r} is served here, only {names}: ask one of them.")


def pick_variant(served: Served[VariantT], model: str | None, version: str | None, default_model: str) -> VariantT:
    """Which loaded version answers a request.

    Args:
        served: with at least one variant.
        model: the model that the request names, None where it names none.
        version: the version that it names; None: the one that has the model's traffic.
        default_model: the model for requests that name none; empty: the only one.

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
    return served.find(name, version or served.traffic.get(name, ""))
