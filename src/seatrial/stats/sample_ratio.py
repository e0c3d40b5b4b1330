"""Do units arrive in the arms as the split says? If not, nothing else may be judged.

Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567:
a Dirichlet mixture around the configured shares, concentration 1,000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.stats.evidence import FloatArray

__all__ = ["CONCENTRATION", "MISMATCH_LEVEL", "log_mismatch"]

CONCENTRATION = 1000.0
MISMATCH_LEVEL = math.log(100.0)
"""Log evidence from which on the split is not what it should be: by chance, ever, with probability 0.01."""


def log_mismatch(units: npt.ArrayLike, shares: Sequence[float]) -> FloatArray:
    """Log evidence that units do not arrive in the configured shares; of several epochs, the values are added.

    Args:
        units: (..., arms) new units in each arm.
        shares: (arms,) the configured shares, summing to 1.

    Raises:
        ValueError: the shares are not such.

    Example:
        >>> round(float(log_mismatch([5200, 4800], [0.5, 0.5])), 9)
        6.075817652
    """
    from scipy.special import gammaln

    if min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-9):
        raise ValueError(f"Shares are positive and sum to 1, not {list(shares)}.")
    counts, expected = np.asarray(units, np.float64), np.asarray(shares, np.float64)
    prior = CONCENTRATION * expected
    total = counts.sum(axis=-1)
    mixture = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total)
    mixture = mixture + (gammaln(prior + counts) - gammaln(prior)).sum(axis=-1)
    evidence: FloatArray = mixture - (counts * np.log(expected)).sum(axis=-1)
    return evidence
