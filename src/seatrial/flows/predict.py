"""Scoring a file of any size: rows in, the same rows with what a model says about them out."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from seatrial.client import AsyncClient, Patience, Prediction, in_order
from seatrial.domain.errors import RequestError, SourceError, UnknownColumnError, UnreadableAnswerError, UsageError
from seatrial.domain.progress import Progress, Step
from seatrial.domain.tables import Row, RowSource
from seatrial.flows.project import Project
from seatrial.flows.serve import Server, bundles_of
from seatrial.wiring.tables import format_of, open_scored, open_source

__all__ = ["Job", "Scored", "Target", "own_server", "score_file"]

PATIENCE = Patience(read_s=120.0, total_s=600.0, attempts=100)
"""Nobody waits at a screen for each request: an overloaded server is asked again for minutes."""

_PROBE = "a"
"""Asked first: whether the server answers, and what its labels are."""
_REASON = "reason"


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked.

    Attributes:
        model: None for the server's default.
    """

    url: str
    model: str | None = None
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is scored, and where the result goes.

    Attributes:
        source_format: csv, tsv, jsonl or parquet; empty: what the file's ending says.
        most_bad_rows: how many rows without a prediction go out with a reason; one more ends the job; None: any number.
        max_length: tokens each text is cut to; None: what the server is set to.
    """

    source: Path
    out: Path
    text_column: str = "text"
    source_format: str = ""
    batch_texts: int = 32
    concurrency: int = 4
    most_bad_rows: int | None = 0
    max_length: int | None = None

    @property
    def keeps_bad_rows(self) -> bool:
        """Whether the result has a column for reasons."""
        return self.most_bad_rows != 0


@dataclass(slots=True)
class Scored:
    """What came of it.

    Attributes:
        bad_rows: without a prediction.
        seconds: reading and writing included, the start of a server not.
        versions: ``name@version`` that answered.
    """

    out: Path
    rows: int = 0
    bad_rows: int = 0
    seconds: float = 0.0
    versions: set[str] = field(default_factory=set)

    @property
    def texts_per_s(self) -> float:
        """Rows that got a prediction, in a second."""
        return (self.rows - self.bad_rows) / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "out": str(self.out),
            "rows": self.rows,
            "errors": self.bad_rows,
            "seconds": round(self.seconds, 3),
            "texts_per_s": round(self.texts_per_s, 1),
            "versions": sorted(self.versions),
        }


@contextmanager
def own_server(project_dir: Path, ref: str) -> Iterator[Server]:
    """A data plane of our own, on free ports of this machine.

    Its home is thrown away: the project's may be that of one that serves, whose split and counters are not ours.

    Args:
        ref: ``MODEL@V``; empty: the project's production.

    Raises:
        BundleError, RefusedArtifactError, UnknownModelError, UnknownVersionError: it cannot or may not be served.
    """
    refs = [ref] if ref else []
    # Refused here, in one sentence, not by a process in many.
    bundles = bundles_of([Project(project_dir).settings], refs, [])
    served = [word for bundle in bundles for word in ("--bundle", str(bundle.directory))]
    free = ("--host", "127.0.0.1", "--port", "0", "--internal-port", "0", "--grpc-port", "0")
    with (
        tempfile.TemporaryDirectory(prefix="seatrial-predict-") as home,
        Server([*served, "--project", str(project_dir), *free], {"SEATRIAL_HOME": home}) as server,
    ):
        yield server


def score_file(job: Job, target: Target, progress: Progress) -> Scored:
    """Scores every row, in order, in constant memory.

    The result is whole or not there: it is written beside its place and moved when it is complete.

    Raises:
        UsageError: files or options that cannot be used.
        UnknownColumnError, SourceError: the file is not as it should be, or has more bad rows than are allowed.
        RequestError, DependencyError: the server refused or failed, or does not answer.
        StorageFullError: no room; what was there stays.
    """
    return asyncio.run(_Scoring(job, target).run(progress))


class _Scoring:
    """One job under way."""

    def __init__(self, job: Job, target: Target) -> None:
        self._job = job
        self._target = target
        self._scored = Scored(job.out)
        self._labels: Sequence[str] = ()
        self._source_format = format_of(job.source, job.source_format, "name it with --format")
        self._out_format = format_of(job.out, "", "let the result end in .csv, .tsv, .jsonl or .parquet")
        if job.out.exists() and (not job.out.is_file() or job.out.samefile(job.source)):
            raise UsageError(f"The result cannot be {job.out}: name another file with --out.")

    async def run(self, progress: Progress) -> Scored:
        job, target = self._job, self._target
        rows = open_source(job.source, self._source_format)
        async with AsyncClient(target.url, api_key=target.api_key, patience=PATIENCE) as client:
            probe = await client.predict(_PROBE, model=target.model, max_length=job.max_length)
            self._labels = tuple(probe[0].probabilities)
            started_s = time.monotonic()
            with progress.step(f"score {job.source.name}", 100) as step:
                await self._write(rows, client, _Meter(step, rows.done_ratio))
        self._scored.seconds = time.monotonic() - started_s
        return self._scored

    async def _write(self, rows: RowSource, client: AsyncClient, meter: _Meter) -> None:
        # JSONL says only at its end which columns it has; written to JSONL, nobody needs to know.
        same = self._source_format == self._out_format == "jsonl"
        columns = () if same else rows.columns
        names = [column.name for column in columns]
        if names and self._job.text_column not in names:
            raise UnknownColumnError(
                f"{self._job.source} has no column {self._job.text_column!r} (it has {', '.join(map(repr, names))}): "
                "name the one with the texts with --text-column."
            )
        self._refuse_columns_twice(names)
        with open_scored(self._job.out, self._out_format, columns, self._added()) as sink:
            chunks = in_order(_chunks(rows, self._job.batch_texts), self._asking(client), self._job.concurrency)
            async with aclosing(chunks):
                async for chunk in chunks:
                    for row, result in chunk:
                        if same:
                            self._refuse_columns_twice(row.cells)
                        sink.write({**row.cells, **self._cells(row, result)})
                    meter.show(self._scored.rows)
        meter.end(self._scored.rows)

    def _asking(self, client: AsyncClient) -> Callable[[list[Row]], Any]:
        job, model = self._job, self._target.model

        async def ask(chunk: list[Row]) -> list[tuple[Row, Prediction | str]]:
            faults = [row.fault or _fault_of(row.cells.get(job.text_column), job.text_column) for row in chunk]
            texts = [str(row.cells[job.text_column]) for row, fault in zip(chunk, faults, strict=True) if not fault]
            results = iter(await client.predict_each(texts, model=model, max_length=job.max_length))
            answers = (fault or next(results) for fault in faults)
            return [
                (row, str(answer) if isinstance(answer, RequestError) else answer)
                for row, answer in zip(chunk, answers, strict=True)
            ]

        return ask

    def _added(self) -> list[tuple[str, bool]]:
        """Name of each column that the result has besides those of the file, and whether it holds numbers."""
        probabilities = [(f"probability_{label}", True) for label in self._labels]
        reason = [(_REASON, False)] if self._job.keeps_bad_rows else []
        return [("prediction", False), ("confidence", True), *probabilities, ("model_version", False), *reason]

    def _cells(self, row: Row, result: Prediction | str) -> Mapping[str, object]:
        """What the result says about a row; every column is there, so that JSONL's rows are alike."""
        self._scored.rows += 1
        cells: dict[str, object] = dict.fromkeys(name for name, _ in self._added())
        if isinstance(result, str):
            self._count_bad(row, result)
            return cells | {_REASON: result}
        if tuple(result.probabilities) != self._labels:
            raise UnreadableAnswerError(
                f"The server's labels changed on the way from {', '.join(self._labels)} to "
                f"{', '.join(result.probabilities)}: score the file again."
            )
        version = f"{result.model}@{result.version}"
        self._scored.versions.add(version)
        probabilities = {f"probability_{label}": value for label, value in result.probabilities.items()}
        return cells | {
            "prediction": result.label,
            "confidence": result.confidence,
            **probabilities,
            "model_version": version,
        }

    def _count_bad(self, row: Row, reason: str) -> None:
        self._scored.bad_rows += 1
        most = self._job.most_bad_rows
        if most is not None and self._scored.bad_rows > most:
            allowed = "--limit-errors lets so many bad rows out with a reason" if most == 0 else f"{most} were allowed"
            raise SourceError(f"{self._job.source}, {row.place}: {reason.rstrip('.')}. Correct the row ({allowed}).")

    def _refuse_columns_twice(self, names: Sequence[str] | Mapping[str, object]) -> None:
        taken = [name for name, _ in self._added() if name in names]
        if taken:
            raise UsageError(
                f"{self._job.source} has a column {', '.join(map(repr, taken))}, which the result adds: rename it."
            )


class _Meter:
    """Tells how far it is: percent, rows, rows a second, time left."""

    def __init__(self, step: Step, done_ratio: Callable[[], float]) -> None:
        self._step, self._done_ratio = step, done_ratio
        self._started_s = time.monotonic()
        self._percent = 0

    def show(self, rows: int) -> None:
        passed_s = max(1e-9, time.monotonic() - self._started_s)
        ratio = min(1.0, self._done_ratio())
        left = f", {_clock(passed_s / ratio - passed_s)} left" if ratio else ""
        self._advance(math.floor(ratio * 100), f"%, {rows:,} rows, {rows / passed_s:,.0f} rows/s{left}")

    def end(self, rows: int) -> None:
        self._advance(100, f"%, {rows:,} rows")

    def _advance(self, percent: int, note: str) -> None:
        self._step.advance(max(0, percent - self._percent), note)
        self._percent = max(percent, self._percent)


def _clock(seconds: float) -> str:
    """Minutes and seconds.

    Example:
        >>> _clock(3725)
        '62:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _chunks(rows: RowSource, size: int) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _fault_of(text: object, column: str) -> str:
    """Why a value is no text to score, empty where it is one.

    Example:
        >>> _fault_of(None, "text"), _fault_of(3, "text"), _fault_of("fine", "text")
        ('it has no text', "'text' is no text but int", '')
    """
    if text is None or text == "":
        return "it has no text"
    if not isinstance(text, str):
        return f"{column!r} is no text but {type(text).__name__}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "its text holds half a surrogate pair"
    return ""
