"""`seatrial predict`, in this process, against a real data plane."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.client import Patience
from tests.builders import onnx_bundle, random_texts
from tests.data_plane import Running, running
from tests.unit.cli.conftest import Command
from tests.waiting import free_port


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running([onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")]) as run:
        yield run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    texts, _ = random_texts(100, seed=2)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text",), *((text,) for text in texts)])
    return path


def test_a_summary_for_programs_and_one_for_people(
    seatrial: Command, rows: Path, plane: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_API_KEY", "a key that nobody asks for")
    asked = ("predict", rows, "--out", rows.with_name("out.jsonl"), "--url", plane.addresses.public_url)
    ended = seatrial(*asked, "--json")
    assert ended.code == 0, ended.err
    summary = json.loads(ended.out)
    assert summary["texts_per_s"] > 0
    assert summary["seconds"] > 0
    assert {key: summary[key] for key in ("out", "rows", "errors", "versions")} == {
        "out": str(rows.with_name("out.jsonl")),
        "rows": 100,
        "errors": 0,
        "versions": ["tiny@1"],
    }
    ended = seatrial(*asked, "--model", "tiny", "--batch", "9")
    assert ended.code == 0
    assert "out.jsonl: 100 rows, by tiny@1, in " in ended.out
    assert "done: score rows.csv" in ended.err
    assert len(rows.with_name("out.jsonl").read_text().splitlines()) == 100


def test_bad_rows_are_refused_or_counted(seatrial: Command, tmp_path: Path, plane: Running) -> None:
    (tmp_path / "rows.csv").write_bytes(b"text\ngood\n\xff\nfine\n")
    asked = ("predict", tmp_path / "rows.csv", "--out", tmp_path / "out.csv", "--url", plane.addresses.public_url)
    ended = seatrial(*asked)
    assert (ended.code, ended.out) == (2, "")
    assert "rows.csv, line 3: line 3 is not UTF-8 at its byte 0." in ended.err
    assert not (tmp_path / "out.csv").exists()
    ended = seatrial(*asked, "--limit-errors", "-1")
    assert ended.code == 0
    assert "3 rows, 1 of them without a prediction, by tiny@1" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("rows.csv", "--out", "out.csv", "--url", "http://127.0.0.1:1", "--model", "tiny@1"), 2, "--model tiny."),
        (("absent.csv", "--out", "out.csv"), 2, "absent.csv is no file"),
        (("rows.csv", "--out", "out.xlsx", "--url", "http://127.0.0.1:1"), 2, "let the result end in"),
        (("rows.csv", "--out", "out.csv", "--url", "ftp://x"), 2, "is no address"),
        (("rows.csv", "--out", "out.csv", "--model", "tiny@1"), 2, "tiny"),
    ],
)
def test_what_cannot_be_asked(
    seatrial: Command,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(rows.parent)
    ended = seatrial("predict", *arguments)
    assert ended.code == code
    assert words in ended.err
    assert [path.name for path in rows.parent.iterdir()] == ["rows.csv"]


def test_nobody_at_home_is_something_outside(seatrial: Command, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.flows.predict.PATIENCE", Patience(attempts=2, first_pause_s=0.0))
    ended = seatrial("predict", rows, "--out", rows.with_name("out.csv"), "--url", f"http://127.0.0.1:{free_port()}")
    assert ended.code == 3
    assert "check that a data plane serves there" in ended.err
