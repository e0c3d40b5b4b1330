"""From the data plane's journal to exposures and outcomes of one experiment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from seatrial.domain.experiment import Epoch, ExperimentPlan, Side
from seatrial.domain.readout import Readout
from seatrial.experiments.join import FigureSent, Joiner, UnitExposed
from seatrial.experiments.observations import Observations
from seatrial.experiments.readout import readout

__all__ = ["FAILED", "LABEL_CORRECT", "LATENCY_S", "OWN_METRICS", "Feeder", "Seen"]

LABEL_CORRECT, FAILED, LATENCY_S = "label_correct", "request_failed", "request_latency_s"
OWN_METRICS = (LABEL_CORRECT, FAILED, LATENCY_S)
"""Metrics that the journal itself holds: nobody need send them as figures."""
_DISORDER_S = 15.0
"""Entries may be written down so much later than others that happened after them."""
_MOST_LOOKS = 1_000
_NOT_EXPOSED = ("invalid", "rejected")
"""Requests that were refused before any version had seen them."""


class Seen(NamedTuple):
    """What a whole journal came to, and looks on the way there, the latest last."""

    observations: Observations
    readout: Readout
    looks: tuple[Readout, ...]


class _Request(NamedTuple):
    """Who asked, and what was answered."""

    unit: str
    labels: list[str]


class Feeder:
    """Takes a journal page by page, in the order it was written; use it as a context.

    Request ids wait in a database on disk for feedback that names them, so memory does not grow with requests.

    Args:
        plan: of the experiment.
        epochs: in their order.
    """

    def __init__(self, plan: ExperimentPlan, epochs: Sequence[Epoch]) -> None:
        self._plan = plan
        self._epochs = epochs
        self._watched = {metric.name for metric in plan.watched}
        self._joiner = Joiner(plan, epochs)
        self._looks: list[Readout] = []
        self._at_s = 0.0
        # An empty name is a database of one connection, in a file that is gone when it closes.
        self._requests = sqlite3.connect("")
        self._requests.execute("CREATE TABLE requests (id TEXT PRIMARY KEY, unit TEXT, labels TEXT) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._requests.close()

    def take(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Takes one page, and looks: units in wrong shares at any look are not forgotten at the next."""
        for entry in entries:
            self._at_s = max(self._at_s, entry["at_s"])
            if "prediction" in entry:
                self._prediction(entry["at_s"], entry["prediction"])
            elif "true_label" in entry:
                self._true_label(entry["at_s"], entry["true_label"])
            elif "metric_value" in entry:
                self._metric_value(entry["at_s"], entry["metric_value"])
        if self._at_s:
            self._look(self._at_s - _DISORDER_S)

    def seen(self, now_s: float) -> Seen:
        """What all pages together show at a time, by which every entry before it has been taken."""
        observations = self._look(now_s)
        return Seen(observations, self._looks[-1], tuple(self._looks))

    def _look(self, at_s: float) -> Observations:
        observations = self._joiner.advance(at_s)
        earlier = self._looks[-1] if self._looks else None
        if len(self._looks) >= _MOST_LOOKS:
            del self._looks[::2]
        self._looks.append(readout(self._plan, self._epochs, observations, at_s, earlier))
        return observations

    def _prediction(self, at_s: float, record: Mapping[str, Any]) -> None:
        exposure = record.get("exposure")
        if not exposure or exposure["experiment"] != self._plan.experiment or record["outcome"] in _NOT_EXPOSED:
            return
        unit = record.get("unit") or f"request {record['request_id']}"
        self._joiner.expose(UnitExposed(at_s, unit, Side(exposure["arm"]), exposure["epoch"]))
        self._own(at_s, unit, FAILED, float(record["outcome"] == "error"))
        if record["outcome"] == "success":
            self._own(at_s, unit, LATENCY_S, record["latency_s"])
        labels = json.dumps(record.get("labels", []))
        self._requests.execute("REPLACE INTO requests VALUES (?, ?, ?)", (record["request_id"], unit, labels))

    def _true_label(self, at_s: float, fact: Mapping[str, Any]) -> None:
        request = self._request(fact["request_id"])
        if request is not None and fact["index"] < len(request.labels):
            correct = request.labels[fact["index"]] == fact["label"]
            self._own(at_s, request.unit, LABEL_CORRECT, float(correct))

    def _metric_value(self, at_s: float, fact: Mapping[str, Any]) -> None:
        if fact["metric"] in OWN_METRICS:
            return
        unit = fact.get("unit")
        if not unit:
            request = self._request(fact["request_id"])
            if request is None:
                return
            unit = request.unit
        self._joiner.outcome(FigureSent(at_s, unit, fact["metric"], fact["value"]))

    def _own(self, at_s: float, unit: str, metric: str, value: float) -> None:
        if metric in self._watched:
            self._joiner.outcome(FigureSent(at_s, unit, metric, value))

    def _request(self, request_id: str) -> _Request | None:
        found = self._requests.execute("SELECT unit, labels FROM requests WHERE id = ?", (request_id,)).fetchone()
        return None if found is None else _Request(found[0], json.loads(found[1]))
