"""The golden rows as a client asks about them: one text a request, one after the other, each timed."""

from __future__ import annotations

import time
from typing import Any

from seatrial.acceptance.exchange import Reply, Session
from seatrial.acceptance.figures import GoldenAnswers
from seatrial.acceptance.subject import Rows

__all__ = ["ask_golden"]


def ask_golden(url: str, rows: Rows, max_length: int) -> GoldenAnswers:
    """Asks about every row on one connection; a row without a readable prediction keeps an empty answer.

    Args:
        max_length: tokens each text is cut to.

    Raises:
        UnreachableError: the data plane does not answer any more.
    """
    labels: list[str] = []
    probabilities: list[tuple[float, ...]] = []
    latencies_s: list[float] = []
    with Session.to(url) as session:
        for text in rows.texts:
            started_s = time.perf_counter()
            reply = session.predict((text,), max_length=max_length)
            latencies_s.append(time.perf_counter() - started_s)
            label, row = _prediction(reply)
            labels.append(label)
            probabilities.append(row)
    return GoldenAnswers(labels, probabilities, latencies_s)


def _prediction(reply: Reply) -> tuple[str, tuple[float, ...]]:
    """Label and probabilities of the one text; empty where the answer has none."""
    document: Any = reply.document
    try:
        (label,), (row,) = document["predictions"], document["probabilities"]
        return str(label), tuple(map(float, row))
    except (TypeError, ValueError, KeyError):
        return "", ()
