"""What an A/B experiment compares, fixed before its first unit: versions, metrics, margins, windows."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from seatrial.domain.errors import ExperimentPlanError, UsageError
from seatrial.domain.naming import check_model_name
from seatrial.domain.release_plan import FULL_PERCENT, check_percent

__all__ = ["Better", "Epoch", "ExperimentPlan", "Metric", "MetricKind", "Side"]

_LONGEST_NAME = 100


class Side(enum.StrEnum):
    """The two versions of an experiment."""

    CONTROL = "control"
    TREATMENT = "treatment"


class MetricKind(enum.StrEnum):
    """How the figures that a unit sent within its outcome window become one, and how the arms are compared.

    `MEAN` is the sum of a unit's figures, 0 where it sent none (revenue). `BINARY` is whether it sent one above 0
    (conversion); `RARE` likewise, for events of up to some 5 % of the units, compared as a ratio of rates. `RATIO` is
    the sum of all figures over their number, whoever sent them (share of right answers).
    """

    MEAN = "mean"
    BINARY = "binary"
    RARE = "rare"
    RATIO = "ratio"


class Better(enum.StrEnum):
    """Which direction of a metric is good."""

    HIGHER = "higher"
    LOWER = "lower"

    @property
    def sign(self) -> int:
        """What a difference is multiplied with so that more of it is better."""
        return 1 if self is Better.HIGHER else -1


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure that the arms are compared by.

    Differences are treatment minus control in the metric's own unit; of a rare metric they are relative: 0.2 means
    20 % more events.

    Attributes:
        name: as clients send it with feedback.
        kind: how units' figures are taken together.
        better: which direction is good.
        margin: of a guardrail, the loss that is still tolerated, as a difference above 0; 0 for a primary metric.
        least_gain: of a primary metric, the smallest gain that is worth a new version; once it is refuted the control
            is kept. 0: any gain is.
    """

    name: str
    kind: MetricKind = MetricKind.MEAN
    better: Better = Better.HIGHER
    margin: float = 0.0
    least_gain: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _LONGEST_NAME:
            raise ExperimentPlanError(f"A metric needs a name of at most {_LONGEST_NAME} letters, not {self.name!r}.")
        for name in ("margin", "least_gain"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ExperimentPlanError(
                    f"{name} of metric {self.name!r} is a difference of at least 0, not {getattr(self, name)}."
                )
        if self.kind is MetricKind.RARE and self.margin >= 1 and self.better is Better.HIGHER:
            raise ExperimentPlanError(
                f"margin of metric {self.name!r} is relative and below 1: losing all events is no small loss."
            )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Metric:
        """The metric that `asdict` wrote.

        Raises:
            ExperimentPlanError: it is none.
        """
        try:
            if not isinstance(document["name"], str):
                raise TypeError(f"{document['name']!r} is no name")
            values = {**document, "kind": MetricKind(document["kind"]), "better": Better(document["better"])}
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ExperimentPlanError(
                f"This is no metric ({error}): it needs name, kind ({', '.join(MetricKind)}) and better "
                f"({', '.join(Better)})."
            ) from error


@dataclass(frozen=True, slots=True)
class Epoch:
    """A time during which new units were assigned in one share; units keep the arm of their first exposure.

    Attributes:
        number: from 0.
        treatment_percent: the treatment's share of the new units, above 0 and below 100.
        started_at_s: when it began, seconds since 1970.
    """

    number: int
    treatment_percent: float
    started_at_s: float

    def __post_init__(self) -> None:
        check_percent(self.treatment_percent)
        if not 0 < self.treatment_percent < FULL_PERCENT:
            raise ExperimentPlanError(
                f"A treatment at {self.treatment_percent:g} % compares nothing: use a share above 0 and below 100."
            )
        if self.number < 0 or not math.isfinite(self.started_at_s):
            raise ExperimentPlanError(
                f"Epoch {self.number} from {self.started_at_s} is impossible: they count from 0 and begin at a time."
            )

    @property
    def share_ratio(self) -> float:
        """The treatment's share, 0 to 1."""
        return self.treatment_percent / FULL_PERCENT


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """A whole experiment before it begins.

    Attributes:
        experiment: its identifier; also the salt that units are assigned with.
        model: name of the model.
        control: version that units get today.
        treatment: version that they might get.
        metrics: the primary metrics: one of them must win. They share alpha.
        guardrails: metrics that must not lose more than their margin; each is watched at alpha.
        alpha: probability that equal arms are called different, over all looks.
        outcome_window_s: a unit's figures count from its first exposure for so long; it counts once that is over.
        pre_period_s: figures from so long before the first epoch foretell a unit's later ones (CUPED); 0: none used.
        most_units: counted units of both arms after which the control is kept unless the treatment has won; 0: no end.
    """

    experiment: str
    model: str
    control: int
    treatment: int
    metrics: tuple[Metric, ...]
    guardrails: tuple[Metric, ...] = ()
    alpha: float = 0.05
    outcome_window_s: float = 86_400.0
    pre_period_s: float = 0.0
    most_units: int = 0

    def __post_init__(self) -> None:
        _check_versions(self)
        _check_metrics(self)
        if not 0 < self.alpha < 1:
            raise ExperimentPlanError(f"alpha lies between 0 and 1, not {self.alpha}.")
        if not (math.isfinite(self.outcome_window_s) and self.outcome_window_s > 0):
            raise ExperimentPlanError(f"outcome_window_s is a time above 0 s, not {self.outcome_window_s}.")
        if not (math.isfinite(self.pre_period_s) and self.pre_period_s >= 0):
            raise ExperimentPlanError(f"pre_period_s is a time of at least 0 s, not {self.pre_period_s}.")
        if self.most_units < 0:
            raise ExperimentPlanError(f"most_units is at least 0, not {self.most_units}.")

    @property
    def watched(self) -> tuple[Metric, ...]:
        """All metrics, the primary ones first."""
        return (*self.metrics, *self.guardrails)

    @property
    def subject(self) -> str:
        """The version that findings are about: the treatment."""
        return f"{self.model}@{self.treatment}"

    @property
    def sha256(self) -> str:
        """Digest of the plan: an experiment goes on only under the plan it was started with."""
        return _sha256(self)

    def alpha_of(self, metric: Metric) -> float:
        """The alpha that a metric is judged at: primary ones share it, a guardrail has all of it.

        Example:
            >>> plan = ExperimentPlan("e", "m", 1, 2, (Metric("a"), Metric("b")), (Metric("c", margin=0.1),))
            >>> [plan.alpha_of(metric) for metric in plan.watched]
            [0.025, 0.025, 0.05]
        """
        return self.alpha / len(self.metrics) if metric in self.metrics else self.alpha

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        lists = {name: [asdict(metric) for metric in getattr(self, name)] for name in ("metrics", "guardrails")}
        return {**asdict(self), **lists}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ExperimentPlan:
        """The plan that `to_json` wrote.

        Raises:
            ExperimentPlanError: it is none, or an impossible one.

        Example:
            >>> plan = ExperimentPlan("e-1", "m", 1, 2, (Metric("bought", MetricKind.BINARY),))
            >>> ExperimentPlan.from_json(plan.to_json()) == plan
            True
        """
        try:
            lists = {name: tuple(map(Metric.from_json, document[name])) for name in ("metrics", "guardrails")}
            return cls(**{**{one.name: document[one.name] for one in fields(cls)}, **lists})
        except (KeyError, TypeError, AttributeError) as error:
            raise ExperimentPlanError(
                f"This is no experiment plan ({error}): it needs what a plan writes as JSON."
            ) from error


@functools.lru_cache(maxsize=64)
def _sha256(plan: ExperimentPlan) -> str:
    return hashlib.sha256(json.dumps(plan.to_json(), sort_keys=True).encode()).hexdigest()


def _check_versions(plan: ExperimentPlan) -> None:
    if not plan.experiment:
        raise ExperimentPlanError("An experiment needs an identifier.")
    try:
        check_model_name(plan.model)
    except UsageError as error:
        raise ExperimentPlanError(str(error)) from error
    if min(plan.control, plan.treatment) < 1:
        raise ExperimentPlanError(f"Versions are numbered from 1, not {plan.control} and {plan.treatment}.")
    if plan.control == plan.treatment:
        raise ExperimentPlanError(f"{plan.model}@{plan.control} cannot be compared with itself: name another version.")


def _check_metrics(plan: ExperimentPlan) -> None:
    if not plan.metrics:
        raise ExperimentPlanError("An experiment without a primary metric decides nothing: name one.")
    names = [metric.name for metric in plan.watched]
    if len(set(names)) != len(names):
        raise ExperimentPlanError(f"Each metric is named once, not {', '.join(names)}.")
    for guardrail in plan.guardrails:
        if not guardrail.margin:
            raise ExperimentPlanError(
                f"Guardrail {guardrail.name!r} needs a margin above 0: no test can show that nothing at all is lost."
            )
    for metric in plan.metrics:
        if metric.margin:
            raise ExperimentPlanError(
                f"Metric {metric.name!r} has a margin, which only guardrails have: name it as a guardrail."
            )
