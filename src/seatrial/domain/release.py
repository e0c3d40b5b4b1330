"""What findings lead to. A decision always carries the findings that justify it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.domain.evidence import Finding, Verdict, worst

__all__ = ["Action", "Decision", "decide_first_release"]


class Action(enum.StrEnum):
    """What is done with a version."""

    PROMOTE = "promote"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action on a subject, the reason in one sentence, and the findings it rests on."""

    action: Action
    subject: str
    reason: str
    findings: tuple[Finding, ...]


def decide_first_release(subject: str, of_version: Sequence[Finding], of_artifact: Sequence[Finding]) -> Decision:
    """Whether a version may become production where nothing is in production yet.

    There is no champion to compare it with, so every finding about the version and about the artifact that would be
    served must be PASS, and there must be some of each: no data is never success. Findings about other artifacts of
    the version forbid only those.

    Example:
        >>> decide_first_release("m@1", [], []).action.value
        'hold'
    """
    findings = (*of_version, *of_artifact)
    if max(worst(of_version), worst(of_artifact)) is Verdict.PASS:
        reason = f"First release: all {len(findings)} findings about it pass and nothing was in production."
        return Decision(Action.PROMOTE, subject, reason, findings)
    against = [finding for finding in findings if finding.verdict is not Verdict.PASS]
    missing = [what for what, found in (("evaluation", of_version), ("conversion", of_artifact)) if not found]
    reasons = [f"{finding.check} is {finding.verdict.word}" for finding in against] + [
        f"no {w} findings" for w in missing
    ]
    return Decision(Action.HOLD, subject, f"Not released: {'; '.join(reasons)}.", findings)
