"""Findings: what every step of the lifecycle says about a model, and the only thing that moves one."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Verdict", "worst"]


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
        """A JSON-ready dictionary; NaN and infinities become None, since JSON has no word for them."""
        return {
            "check": self.check,
            "subject": self.subject,
            "verdict": self.verdict.word,
            "reason": self.reason,
            "value": _finite(self.value),
            "limit": _finite(self.limit),
            "samples": self.samples,
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        """The finding that `to_json` wrote.

        Raises:
            ValueError: a key is missing or the verdict is unknown.

        Example:
            >>> finding = Finding("evaluation.accuracy_floor", "m@1", Verdict.PASS, "0.9 is enough.", 0.9, 0.8, 100)
            >>> Finding.from_json(finding.to_json()) == finding
            True
        """
        try:
            return cls(
                check=document["check"],
                subject=document["subject"],
                verdict=Verdict.from_word(document["verdict"]),
                reason=document["reason"],
                value=document.get("value"),
                limit=document.get("limit"),
                samples=document.get("samples", 0),
                details=document.get("details", {}),
            )
        except KeyError as missing:
            raise ValueError(f"This is no finding: it lacks {missing}.") from None


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict among the findings; no data is never success.

    Example:
        >>> worst([]).word
        'inconclusive'
    """
    return max((finding.verdict for finding in findings), default=Verdict.INCONCLUSIVE)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
