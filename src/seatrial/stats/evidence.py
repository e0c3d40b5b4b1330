"""What all e-processes here share: logs of E-values, averaged without overflow, and the alarm level.

An E-value is a non-negative number whose mean is at most 1 while a hypothesis holds; an e-process is one at every look.
By Ville's inequality it ever reaches 1/alpha with probability at most alpha, however often one looks.

Source: J. Ville, "Étude critique de la notion de collectif", 1939; V. Vovk and R. Wang, "E-values: calibration,
combination and applications", Annals of Statistics 49 (2021), arXiv 1912.06116 (any weighted mean is valid).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["alarm_level", "log_mean_exp", "log_start_mean", "log_weighted_mean", "shared_out"]

FloatArray = npt.NDArray[np.float64]


def log_mean_exp(logs: npt.ArrayLike, axis: int = -1) -> FloatArray:
    """The log of the mean of exp(logs) along an axis, the maximum subtracted first.

    Example:
        >>> float(log_mean_exp([1000.0, 1000.0]))
        1000.0
    """
    array = np.asarray(logs, np.float64)
    return _log_sum_exp(array, axis) - math.log(array.shape[axis])


def log_weighted_mean(logs: npt.ArrayLike, weights: Sequence[float], axis: int = 0) -> FloatArray:
    """The log of the weighted mean of E-values given by their logs: valid whatever their dependence.

    Args:
        logs: log E-values, one for each weight along `axis`.
        weights: positive, summing to 1, fixed before the first look.

    Raises:
        ValueError: the weights are not such.

    Example:
        >>> round(float(log_weighted_mean([math.log(3.0), 0.0], [0.5, 0.5])), 6) == round(math.log(2.0), 6)
        True
    """
    if min(weights) <= 0 or not math.isclose(sum(weights), 1, abs_tol=1e-9):
        raise ValueError(f"Weights are positive and sum to 1, not {list(weights)}.")
    array = np.asarray(logs, np.float64)
    shape = [1] * array.ndim
    shape[axis] = len(weights)
    return _log_sum_exp(array + np.log(weights).reshape(shape), axis)


def log_start_mean(logs: npt.ArrayLike, planned: int) -> FloatArray:
    """The log of the mean of processes of which each begins with its step; one not yet begun is worth 1.

    The denominator is the number of planned steps, fixed in advance: one that grew with the steps would let the mean
    jump upwards, and the mean would be no e-process.

    Args:
        logs: (..., steps begun) log E of the process that began with each step.
        planned: how many steps are planned.

    Raises:
        ValueError: more have begun than are planned.

    Example:
        >>> round(float(np.exp(log_start_mean([-0.019218079548, -0.265857850480], 5))), 9)
        0.949502699
    """
    array = np.asarray(logs, np.float64)
    waiting = planned - array.shape[-1]
    if waiting < 0:
        raise ValueError(f"{array.shape[-1]} processes have begun, but only {planned} were planned.")
    if waiting:
        rest = np.full((*array.shape[:-1], 1), math.log(waiting))
        array = np.concatenate([array, rest], axis=-1)
    return _log_sum_exp(array, -1) - math.log(planned)


def shared_out(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights in proportion, so that they sum to 1: done once, before the first look.

    Example:
        >>> shared_out([2.0, 2.0])
        (0.5, 0.5)
    """
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def alarm_level(alpha: float) -> float:
    """The log of the evidence that is an alarm: reached by chance, ever, with probability at most alpha.

    Raises:
        ValueError: alpha is not between 0 and 1.

    Example:
        >>> round(math.exp(alarm_level(0.05)), 9)
        20.0
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, not {alpha}.")
    return -math.log(alpha)


def _log_sum_exp(array: FloatArray, axis: int) -> FloatArray:
    top = array.max(axis=axis, keepdims=True)
    total: FloatArray = np.log(np.exp(array - top).sum(axis=axis)) + top.squeeze(axis)
    return total
