"""How many requests or units until a difference is seen, and with what power: by simulating the test that will be used.

A request falls into one cell (failed or not; between which thresholds; which class). The cells are drawn for both arms,
the e-process is computed at looks of growing distance, and the first look at or above the alarm level counts. Sums of a
metric are drawn as normal ones, and the first look counts whose interval leaves 0 on the side of the difference.

Source: plain Monte Carlo; the tests are those of `rate_ratio`, `exceedances`, `class_mix`, `rare_events` and
`confidence_sequence`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seatrial.stats.class_mix import log_other_mix_by_start
from seatrial.stats.confidence_sequence import Mean, half_width, may_look
from seatrial.stats.evidence import FloatArray
from seatrial.stats.exceedances import log_slower_by_start
from seatrial.stats.rare_events import RARE_GRID
from seatrial.stats.rate_ratio import log_harm_by_start

__all__ = [
    "Difference",
    "MeanDifference",
    "class_evidence",
    "detection_requests",
    "detection_units",
    "error_evidence",
    "latency_evidence",
    "power_within",
    "rare_evidence",
    "requests_for_power",
]

Counts = npt.NDArray[np.int64]
Evidence = Callable[[Counts, Counts, float], FloatArray]
"""(..., cells) counts of challenger and champion, and the challenger's share, to (...) log E."""

_LOOKS = 80
_FIRST_LOOK_REQUESTS = 20
_FIRST_LOOK_UNITS, _UNIT_LOOKS = 1_000, 240


@dataclass(frozen=True, slots=True)
class Difference:
    """Two arms that differ, and when that counts as seen.

    Attributes:
        share_ratio: the challenger's share of the requests.
        champion: (cells,) probability of each cell for one request; they sum to 1.
        challenger: (cells,) likewise.
        log_level: log evidence that is an alarm.
    """

    share_ratio: float
    champion: tuple[float, ...]
    challenger: tuple[float, ...]
    log_level: float


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """Two arms of an experiment whose means differ, or from whose difference a margin is to be told apart.

    Attributes:
        share_ratio: the treatment's share of the units.
        distance: between the difference and what it is told apart from, above 0.
        control: its mean and the variance of one unit; how many units does not matter.
        treatment: likewise.
        binary: the metric is 0 or 1 for each unit.
        alpha: of the interval.
    """

    share_ratio: float
    distance: float
    control: Mean
    treatment: Mean
    binary: bool = False
    alpha: float = 0.05


def error_evidence(tolerated_ratio: float = 1.0) -> Evidence:
    """Evidence of more errors; the first of two cells is the error."""

    def evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
        return log_harm_by_start(challenger[..., :1], champion[..., :1], (share_ratio,), tolerated_ratio)[..., 0]

    return evidence


def rare_evidence(refuted_ratio: float = 1.0) -> Evidence:
    """Evidence that the rates of a rare event are not in one ratio; the first of two cells is the event."""

    def evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
        return log_harm_by_start(challenger[..., :1], champion[..., :1], (share_ratio,), refuted_ratio, RARE_GRID)[
            ..., 0
        ]

    return evidence


def latency_evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
    """Evidence of slowness; the first cell is below all thresholds, each further one above one more of them."""
    tails = [np.cumsum(arm[..., :0:-1], axis=-1)[..., ::-1, np.newaxis] for arm in (challenger, champion)]
    return log_slower_by_start(tails[0], tails[1], (share_ratio,))[..., 0]


def class_evidence(challenger: Counts, champion: Counts, share_ratio: float) -> FloatArray:
    """Evidence of another mix; each cell is a class."""
    return log_other_mix_by_start(challenger[..., np.newaxis], champion[..., np.newaxis], (share_ratio,))[..., 0]


def detection_requests(
    difference: Difference, evidence: Evidence, horizon_requests: int, *, runs: int = 400, seed: int = 0
) -> FloatArray:
    """Requests of both arms until the alarm, in each of some simulated runs; infinite where it never came.

    Args:
        difference: what is there to be seen.
        evidence: the test.
        horizon_requests: when a run ends.
        runs: how many.
        seed: equal seeds give equal figures.

    Returns:
        (runs,) requests.
    """
    looks = np.unique(np.geomspace(min(_FIRST_LOOK_REQUESTS, horizon_requests), horizon_requests, _LOOKS).astype(int))
    rng = np.random.default_rng(seed)
    between = np.broadcast_to(np.diff(looks, prepend=0), (runs, len(looks)))
    routed = rng.binomial(between, difference.share_ratio)
    challenger = np.cumsum(rng.multinomial(routed, difference.challenger), axis=1)
    champion = np.cumsum(rng.multinomial(between - routed, difference.champion), axis=1)
    alarms = evidence(challenger, champion, difference.share_ratio) >= difference.log_level
    return np.where(alarms.any(axis=1), looks[alarms.argmax(axis=1)], np.inf)


def detection_units(difference: MeanDifference, horizon_units: int, *, runs: int = 400, seed: int = 0) -> FloatArray:
    """Units of both arms until the difference is shown, in each of some simulated runs; infinite where it never was.

    Args:
        difference: what is there to be seen.
        horizon_units: when a run ends.
        runs: how many.
        seed: equal seeds give equal figures.

    Returns:
        (runs,) units.
    """
    looks = np.unique(np.geomspace(min(_FIRST_LOOK_UNITS, horizon_units), horizon_units, _UNIT_LOOKS).astype(np.int64))
    treated = np.clip(np.round(looks * difference.share_ratio).astype(np.int64), 1, looks - 1)
    rng, arms = np.random.default_rng(seed), (difference.control, difference.treatment)
    control, treatment = (
        _noise(rng, units, arm.variance, runs) for arm, units in zip(arms, (looks - treated, treated), strict=True)
    )
    width = half_width(looks - treated, arms[0].variance, treated, arms[1].variance, difference.alpha)
    seen = (difference.distance + treatment - control > width) & _may_look(difference, looks - treated, treated)
    return np.where(seen.any(axis=1), looks[seen.argmax(axis=1)], np.inf)


def _noise(rng: np.random.Generator, units: Counts, variance: float, runs: int) -> FloatArray:
    """(runs, looks) how far the mean of an arm is from the truth when it has so many units."""
    between = np.diff(units, prepend=0)
    sums: FloatArray = rng.normal(0.0, np.sqrt(variance * between), (runs, len(units))).cumsum(axis=1)
    return sums / units


def _may_look(difference: MeanDifference, control_units: Counts, treatment_units: Counts) -> npt.NDArray[np.bool_]:
    """(looks,) whether the first-look rule allows it, with the expected means."""
    arms, equal = (difference.control, difference.treatment), difference.share_ratio == 0.5
    return np.asarray(
        [
            may_look(
                *(replace(arm, units=int(number)) for arm, number in zip(arms, numbers, strict=True)),
                equal=equal,
                binary=difference.binary,
            )
            for numbers in zip(control_units, treatment_units, strict=True)
        ]
    )


def power_within(detections: FloatArray, budget_requests: float) -> float:
    """Share of the runs that saw the difference within the budget.

    Example:
        >>> power_within(np.array([100.0, 900.0, np.inf, np.inf]), 500)
        0.25
    """
    return float((detections <= budget_requests).mean())


def requests_for_power(detections: FloatArray, power: float) -> float:
    """Requests after which so large a share of the runs had seen it; infinite where too few ever did.

    Example:
        >>> requests_for_power(np.array([100.0, 900.0, np.inf, np.inf]), 0.5)
        900.0
    """
    ordered: Sequence[float] = np.sort(detections).tolist()
    return ordered[max(0, int(np.ceil(power * len(ordered))) - 1)]
