"""The reference profile: how the training texts are distributed, for drift detection to compare live traffic with.

Every feature can be computed from a text alone, before any model is there. Texts are normalised first, live ones too.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.data.cleaning import normalise
from seatrial.domain.dataset import LabelledRows

__all__ = ["build_profile", "category_feature", "dominant_script", "number_feature", "text_numbers"]

_FORMAT_VERSION = 1
_NO_LETTERS = "none"
_QUANTILES = np.arange(1, 10) / 10


def build_profile(rows: LabelledRows, labels: Sequence[str]) -> dict[str, Any]:
    """Bins and counts of every feature over `rows`, JSON-ready.

    Source: statistics of drift by binned counts: ten bins at the deciles of the reference, one bin for each category.
    """
    texts = [normalise(text) for text in rows.texts]
    numbers = [text_numbers(text) for text in texts]
    return {
        "format_version": _FORMAT_VERSION,
        "rows": len(rows),
        "features": [
            *(number_feature(name, [row[name] for row in numbers]) for name in (numbers[0] if numbers else ())),
            category_feature("script", [dominant_script(text) for text in texts]),
            category_feature("label", [labels[index] for index in rows.labels]),
            category_feature("domain", rows.domains),
        ],
    }


def text_numbers(text: str) -> dict[str, float]:
    """The numeric features of a normalised text.

    ``characters`` and ``words`` are counts, ``characters_per_word`` leaves spaces out, ``non_alphabetic_ratio`` is
    the share of visible characters that are no letters. NaN where there is nothing to divide by.

    Example:
        >>> text_numbers("so good 100")
        {'characters': 11.0, 'words': 3.0, 'characters_per_word': 3.0, 'non_alphabetic_ratio': 0.3333333333333333}
    """
    words = text.split()
    visible = sum(map(len, words))
    letters = sum(map(str.isalpha, text))
    return {
        "characters": float(len(text)),
        "words": float(len(words)),
        "characters_per_word": visible / len(words) if words else math.nan,
        "non_alphabetic_ratio": (visible - letters) / visible if visible else math.nan,
    }


def dominant_script(text: str) -> str:
    """The script most letters belong to, in Unicode's word for it; ``none`` where there are no letters.

    Example:
        >>> dominant_script("很好 good"), dominant_script("很好的书 ok"), dominant_script("10/10")
        ('latin', 'cjk', 'none')
    """
    counts = Counter(_script(character) for character in text if character.isalpha())
    return min(counts, key=lambda script: (-counts[script], script), default=_NO_LETTERS)


def number_feature(name: str, values: npt.ArrayLike) -> dict[str, Any]:
    """A numeric feature: its edges and how many values fall into each bin.

    The edges are the distinct deciles of the values, linearly interpolated. The bin of a value is the number of edges
    not above it; the last count is that of missing values (NaN).

    Example:
        >>> feature = number_feature("words", [0, 10, float("nan")])
        >>> feature["edges"], feature["counts"]
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    """
    array = np.asarray(values, np.float64)
    present = array[~np.isnan(array)]
    edges = np.unique(np.quantile(present, _QUANTILES, method="linear")) if present.size else np.zeros(0)
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    return {
        "name": name,
        "kind": "number",
        "edges": edges.tolist(),
        "counts": [*counts.tolist(), int(array.size - present.size)],
    }


def category_feature(name: str, values: Sequence[str]) -> dict[str, Any]:
    """A feature of categories: one bin each, then one for categories not seen here, then one for missing (empty).

    Example:
        >>> category_feature("domain", ["film", "phone", "film", ""])
        {'name': 'domain', 'kind': 'category', 'categories': ['film', 'phone'], 'counts': [2, 1, 0, 1]}
    """
    counts = Counter(values)
    categories = sorted(category for category in counts if category)
    return {
        "name": name,
        "kind": "category",
        "categories": categories,
        "counts": [*(counts[category] for category in categories), 0, counts[""]],
    }


@functools.lru_cache(maxsize=2**16)
def _script(letter: str) -> str:
    """The first word of a letter's name, which is its script for all but a few compatibility forms."""
    return unicodedata.name(letter, "OTHER").split()[0].lower()
