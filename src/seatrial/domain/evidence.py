"""Findings: what every step of the lifecycle says about a model, and the only thing that moves one."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Verdict", "e_value", "worst"]

_LARGEST_LOG = 700.0  # of what a float can hold


class Verdict(enum.IntEnum):
    """What a checked claim came to, ordered from best to worst.

    PASS < INCONCLUSIVE (too little data) < ERROR (could not measure) < FAIL.
    """

    PASS = 0
    INCONCLUSIVE = 1
    ERROR = 2
    FAIL = 3

    @property
    def word(self) -> str:
        """The lower-case word used in JSON and on screen."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> Verdict:
        """The verdict of a lower-case word.

        Raises:
            ValueError: the word is none of the four.

        Example:
            >>> Verdict.from_word("fail") is Verdict.FAIL
            True
        """
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"{word!r} is no verdict: use one of pass, inconclusive, error, fail.") from None


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked claim about one subject.

    Attributes:
        check: dotted name of the claim, ``<step>.<what>``, for example ``evaluation.accuracy_floor``.
        subject: what it is about: ``name@version`` or ``name@version/artifact``.
        verdict: what the claim came to.
        reason: one sentence a person understands, with the figures in it.
        value: the measured figure, None where the claim is not a figure.
        limit: the figure it was held against, None where there is none.
        samples: how many rows, requests or files the value rests on.
        details: further figures, JSON-serialisable, for the report and the record.
    """

    check: str
    subject: str
    verdict: Verdict
    reason: str
    value: float | None = None
    limit: float | None = None
    samples: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; NaN and infinities become None, since JSON has no word for them.

        Example:
            >>> Finding("a.b", "m@1", Verdict.ERROR, "No figure.", math.nan).to_json()["value"] is None
            True
        """
        return {
            "check": self.check,
            "subject": self.subject,
            "verdict": self.verdict.word,
            "reason": self.reason,
            "value": None if self.value is None else _finite(float(self.value)),
            "limit": None if self.limit is None else _finite(float(self.limit)),
            "samples": int(self.samples),
            "details": _finite(self.details),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        """The finding that `to_json` wrote.

        Raises:
            ValueError: a key is missing, has another type, or the verdict is unknown.

        Example:
            >>> finding = Finding("evaluation.accuracy_floor", "m@1", Verdict.PASS, "0.9 is enough.", 0.9, 0.8, 100)
            >>> Finding.from_json(finding.to_json()) == finding
            True
        """
        try:
            return cls(
                check=_typed(document["check"], str),
                subject=_typed(document["subject"], str),
                verdict=Verdict.from_word(_typed(document["verdict"], str)),
                reason=_typed(document["reason"], str),
                value=_typed(document.get("value"), int, float, type(None)),
                limit=_typed(document.get("limit"), int, float, type(None)),
                samples=_typed(document.get("samples", 0), int),
                details=_typed(document.get("details", {}), dict),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no finding ({error!r}): it needs what Finding.to_json writes.") from error


def e_value(log_e: float) -> float:
    """Evidence from its logarithm, as far as a float can hold it.

    Example:
        >>> e_value(0.0), e_value(1e6) > 1e300
        (1.0, True)
    """
    return math.exp(min(log_e, _LARGEST_LOG))


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict among the findings; no data is never success.

    Example:
        >>> worst([]).word
        'inconclusive'
    """
    return max((finding.verdict for finding in findings), default=Verdict.INCONCLUSIVE)


def _finite(value: Any) -> Any:
    """The value with None in place of each NaN and infinity, however deep."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _typed(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not of type {' or '.join(kind.__name__ for kind in kinds)}")
    return value
