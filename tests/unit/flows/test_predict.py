"""Scoring files against the real data plane: every format, every row in its place, bad rows told."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.client import AsyncClient, Patience
from seatrial.domain.errors import (
    InvalidRequestError,
    ModelNotServedError,
    RefusedArtifactError,
    SourceError,
    UnknownColumnError,
    UnreachableError,
    UnreadableAnswerError,
    UsageError,
)
from seatrial.domain.evidence import Verdict
from seatrial.domain.progress import SILENT, Progress, Step
from seatrial.flows import predict
from seatrial.flows.predict import Job, Scored, Target, own_server, score_file
from seatrial.serving.home_lock import only_data_plane
from seatrial.wiring.workshop import Workshop
from tests.builders import LABELS, onnx_bundle, random_texts
from tests.data_plane import Running, running
from tests.houses import MODEL, enrol, make_artifact, promote
from tests.scripted import Scripted, good_answer, texts_of
from tests.waiting import free_port

ADDED = ["prediction", "confidence", "probability_negative", "probability_positive", "model_version"]
TEXTS, TRUTH = random_texts(300, seed=9)
ROWS = [{"id": number, "text": text} for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running([onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")], max_texts=20) as run:
        yield run


@pytest.fixture
def target(plane: Running) -> Target:
    return Target(plane.addresses.public_url)


def write(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("source", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("out", ["csv", "jsonl", "parquet"])
def test_every_row_comes_out_in_its_place_with_what_the_model_says(
    tmp_path: Path, target: Target, source: str, out: str
) -> None:
    job = Job(write(tmp_path / f"in.{source}"), tmp_path / f"out.{out}", batch_texts=7, concurrency=3)
    scored = score_file(job, target, SILENT)
    assert (scored.rows, scored.bad_rows, scored.versions) == (300, 0, {"tiny@1"})
    rows = read(job.out)
    assert list(rows[0]) == ["id", "text", *ADDED]
    assert [int(row["id"]) for row in rows] == list(range(300))
    assert [row["text"] for row in rows] == TEXTS
    assert [row["prediction"] for row in rows] == [LABELS[label] for label in TRUTH]
    for row in rows:
        probabilities = [float(row["probability_negative"]), float(row["probability_positive"])]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert float(row["confidence"]) == max(probabilities)
        assert row["model_version"] == "tiny@1"


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, target: Target) -> None:
    results = []
    for batch_texts in (5, 16):  # an fp32 artifact's answer does not hang on the company of a text
        job = Job(write(tmp_path / "in.csv"), tmp_path / "out.csv", batch_texts=batch_texts)
        score_file(job, target, SILENT)
        results.append([(row["id"], row["prediction"]) for row in read(job.out)])
    assert results[0] == results[1]


BAD: list[dict[str, Any]] = [
    {"text": "good"},
    {"text": ""},
    {"text": None},
    {"text": 3},
    {"other": "no text"},
    {"text": "half \ud83d"},
    {"text": "superb"},
]
REASONS = [
    None,
    "it has no text",
    "it has no text",
    "'text' is no text but int",
    "it has no text",
    "its text holds half a surrogate pair",
    None,
]


def test_bad_rows_go_out_with_their_reason(tmp_path: Path, target: Target) -> None:
    source = write(tmp_path / "in.jsonl", BAD)
    scored = score_file(Job(source, tmp_path / "out.jsonl", most_bad_rows=None), target, SILENT)
    assert (scored.rows, scored.bad_rows) == (7, 5)
    rows = read(tmp_path / "out.jsonl")
    assert [row["reason"] for row in rows] == REASONS
    assert [row["prediction"] is None for row in rows] == [bool(reason) for reason in REASONS]
    assert [{key: row[key] for key in given} for row, given in zip(rows, BAD, strict=True)] == BAD
    assert scored.to_json()["errors"] == 5
    scored = score_file(Job(source, tmp_path / "out.csv", most_bad_rows=5), target, SILENT)
    assert [row["reason"] for row in read(tmp_path / "out.csv")] == [reason or "" for reason in REASONS]


def test_what_the_server_refuses_is_a_bad_row(tmp_path: Path, target: Target) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "good"}, {"text": "x" * 2_000_001}])
    score_file(Job(source, tmp_path / "out.jsonl", most_bad_rows=None), target, SILENT)
    reasons = [row["reason"] for row in read(tmp_path / "out.jsonl")]
    assert reasons[0] is None
    assert "2000001 characters" in reasons[1]


@pytest.mark.parametrize(("most", "words"), [(0, "--limit-errors lets"), (4, "4 were allowed")])
def test_too_many_bad_rows_end_it_and_leave_nothing(tmp_path: Path, target: Target, most: int, words: str) -> None:
    source = write(tmp_path / "in.jsonl", BAD)
    with pytest.raises(SourceError, match=words) as raised:
        score_file(Job(source, tmp_path / "out.jsonl", most_bad_rows=most), target, SILENT)
    assert "line 2: it has no text." in str(raised.value) or most
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("empty", ["text\n", "text\n\n\n"])
def test_a_file_without_rows_gives_one_without_rows(tmp_path: Path, target: Target, empty: str) -> None:
    (tmp_path / "in.csv").write_text(empty)
    scored = score_file(Job(tmp_path / "in.csv", tmp_path / "out.csv"), target, SILENT)
    assert (scored.rows, scored.texts_per_s) == (0, 0.0)
    assert (tmp_path / "out.csv").read_text() == f"text,{','.join(ADDED)}\n"
    assert Scored(tmp_path).texts_per_s == 0.0


def test_columns_are_named_or_refused(tmp_path: Path, target: Target) -> None:
    source = write(tmp_path / "in.csv", [{"review": "good", "stars": 5}])
    with pytest.raises(UnknownColumnError, match=r"no column 'text' \(it has 'review', 'stars'\).*--text-column"):
        score_file(Job(source, tmp_path / "out.csv"), target, SILENT)
    score_file(Job(source, tmp_path / "out.csv", "review"), target, SILENT)
    assert read(tmp_path / "out.csv")[0]["prediction"] == "positive"
    with pytest.raises(UsageError, match=r"'prediction', 'confidence'.*rename"):
        score_file(Job(tmp_path / "out.csv", tmp_path / "again.csv", "review"), target, SILENT)
    write(tmp_path / "in.jsonl", [{"text": "good"}, {"text": "good", "confidence": 1}])
    with pytest.raises(UsageError, match="'confidence'"):
        score_file(Job(tmp_path / "in.jsonl", tmp_path / "again.jsonl"), target, SILENT)


@pytest.mark.parametrize(
    ("source", "out", "named", "words"),
    [
        ("in.txt", "out.csv", "", "--format"),
        ("in.txt", "out.csv", "xlsx", "no format 'xlsx'"),
        ("in.csv", "out.txt", "", r"let the result end in \.csv"),
        ("in.csv", "in.csv", "", "name another file with --out"),
        ("in.csv", "directory.csv", "", "name another file with --out"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, source: str, out: str, named: str, words: str) -> None:
    (tmp_path / "directory.csv").mkdir()
    (tmp_path / source).write_text("text\n")
    with pytest.raises(UsageError, match=words):
        score_file(Job(tmp_path / source, tmp_path / out, source_format=named), Target("http://127.0.0.1:1"), SILENT)


def test_a_format_can_be_named(tmp_path: Path, target: Target) -> None:
    (tmp_path / "in.txt").write_text("text\tid\ngood\t1\n")
    score_file(Job(tmp_path / "in.txt", tmp_path / "out.jsonl", source_format="tsv"), target, SILENT)
    assert read(tmp_path / "out.jsonl")[0]["id"] == "1"


def test_who_cannot_be_asked_is_known_before_anything_is_read(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(write(tmp_path / "in.csv"), tmp_path / "out.csv")
    with pytest.raises(ModelNotServedError):
        score_file(job, Target(target.url, "other"), SILENT)
    with pytest.raises(InvalidRequestError, match="max_length"):
        score_file(Job(job.source, job.out, max_length=1), target, SILENT)
    monkeypatch.setattr(predict, "PATIENCE", Patience(attempts=2, first_pause_s=0.0))
    with pytest.raises(UnreachableError):
        score_file(job, Target(f"http://127.0.0.1:{free_port()}"), SILENT)
    assert not job.out.exists()


def test_labels_that_change_on_the_way_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result has one set of columns: another model in the middle cannot be written into it."""

    def script(request: httpx.Request) -> httpx.Response:
        texts = texts_of(request)
        return good_answer(texts) if texts == ["a"] else good_answer(texts, labels=["positive", "negative"])

    def client(url: str, **options: Any) -> AsyncClient:
        return AsyncClient(url, transport=Scripted(script), **options)

    monkeypatch.setattr(predict, "AsyncClient", client)
    job = Job(write(tmp_path / "in.csv"), tmp_path / "out.csv")
    with pytest.raises(UnreadableAnswerError, match="labels changed on the way"):
        score_file(job, Target("http://model.example"), SILENT)
    assert not job.out.exists()


class Watched(Progress):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None]] = []
        self.done = 0
        self.notes: list[str] = []

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self.steps.append((title, total))
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        self.notes.append(note)


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_progress_is_told_in_percent_with_speed_and_time_left(tmp_path: Path, target: Target, source: str) -> None:
    watched = Watched()
    score_file(Job(write(tmp_path / f"in.{source}"), tmp_path / "out.csv"), target, watched)
    assert (watched.steps, watched.done) == ([(f"score in.{source}", 100)], 100)
    assert re.fullmatch(r"%, 32 rows, [\d,]+ rows/s, \d+:\d\d left", watched.notes[0])
    assert watched.notes[-1] == "%, 300 rows"


def test_a_server_of_its_own_serves_what_may_be_served(workshop: Workshop) -> None:
    make_artifact(workshop, enrol(workshop, 1.0))
    promote(workshop, 1)
    make_artifact(workshop, enrol(workshop, 0.5), verdict=Verdict.FAIL)
    project = workshop.settings.project_dir
    (project / "seatrial.toml").write_text(f'[model]\nname = "{MODEL}"\n')
    with pytest.raises(RefusedArtifactError), own_server(project, f"{MODEL}@2"):
        pass
    source = write(project / "in.csv", ROWS[:50])
    home = workshop.settings.home
    with only_data_plane(home), own_server(project, "") as server:  # one that serves does not mind
        scored = score_file(Job(source, project / "out.csv"), Target(server.url), SILENT)
    assert (scored.rows, scored.versions) == (50, {f"{MODEL}@1"})
    assert not (home / "journal").exists(), "nobody takes it for traffic"
