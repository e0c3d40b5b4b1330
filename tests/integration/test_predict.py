"""`seatrial predict` as a process: ended by a signal, with a server of its own, in constant memory."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.builders import onnx_bundle
from tests.data_plane import Running, running
from tests.houses import MODEL, enrol, make_artifact, open_workshop, promote

MEMORY = """
import re, sys
{body}
status = open("/proc/self/status").read()  # the maximum of getrusage would be the test's own, kept through exec
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024, file=sys.stderr)
"""
SCORE = """
from seatrial.cli.main import app
app(sys.argv[1:], standalone_mode=False)
"""
COPY = """
from pathlib import Path
from seatrial.data.tables.opening import open_sink, open_source
form, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
rows = open_source(source, form)
with open_sink(out, form, rows.columns) as sink:
    for row in rows:
        assert not row.fault
        sink.write(row.cells)
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running([onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")]) as run:
        yield run


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a version in production."""
    directory = tmp_path_factory.mktemp("project")
    workshop = open_workshop(directory)
    make_artifact(workshop, enrol(workshop, 1.0))
    promote(workshop, 1)
    workshop.close()
    (directory / "seatrial.toml").write_text(f'[model]\nname = "{MODEL}"\n')
    return directory


def write_rows(path: Path, rows: int, padding: int = 0) -> Path:
    """Short texts and a long column beside them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "text", "more"))
        writer.writerows((n, "good film" if n % 2 else "dull plot", f"{n:0{padding}d}") for n in range(rows))
    return path


def test_a_file_is_scored_by_production_without_a_server(project: Path, tmp_path: Path) -> None:
    source, out = write_rows(tmp_path / "in.csv", 100), tmp_path / "out.csv"
    ended = subprocess.run(
        [sys.executable, "-m", "seatrial.cli", "predict", source, "--out", out, "--project", project, "--json"],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["versions"] == [f"{MODEL}@1"]
    with out.open(newline="") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["negative", "positive"] * 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_part_of_a_result_and_no_server(
    project: Path, tmp_path: Path, number: signal.Signals
) -> None:
    source, out = write_rows(tmp_path / "in.csv", 400_000), tmp_path / "out.csv"
    out.write_text("before")
    process = subprocess.Popen(
        [sys.executable, "-m", "seatrial.cli", "predict", source, "--out", out, "--project", project],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        deadline_s = time.monotonic() + 60
        while not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal's Ctrl-C reaches the server, too
        else:
            process.send_signal(number)
        output, problems = process.communicate(timeout=60)
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], problems
        assert output == ""
        assert "Traceback" not in problems
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
        assert out.read_text() == "before"
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def peak_bytes(body: str, *arguments: str | Path) -> int:
    """Most memory that a process had."""
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY.format(body=body), *map(str, arguments)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return int(ended.stderr.splitlines()[-1])


def test_ten_times_the_rows_take_no_more_memory(plane: Running, tmp_path: Path) -> None:
    """The larger file is 16 MB, and Python would need several times that to hold its rows."""
    peaks = []
    for rows in (1_500, 15_000):
        source = write_rows(tmp_path / "in.csv", rows, padding=1000)
        url = plane.addresses.public_url
        peaks.append(peak_bytes(SCORE, "predict", source, "--out", tmp_path / "out.jsonl", "--url", url))
        assert (tmp_path / "out.jsonl").stat().st_size > source.stat().st_size
    assert peaks[1] - peaks[0] < 6e6, peaks


@pytest.mark.parametrize("table_format", ["csv", "jsonl", "parquet"])
def test_each_format_is_read_and_written_in_constant_memory(tmp_path: Path, table_format: str) -> None:
    assert growth_bytes(tmp_path, table_format, COPY) < 16e6


def test_a_copy_that_held_its_rows_would_be_seen(tmp_path: Path) -> None:
    assert growth_bytes(tmp_path, "jsonl", COPY.replace("in rows:", "in list(rows):")) > 32e6


def growth_bytes(tmp_path: Path, table_format: str, body: str) -> int:
    """By how much the memory of a copy grows when the file has 48 MB instead of 8."""
    peaks = []
    for rows in (8_000, 48_000):
        source = tmp_path / f"{rows}.{table_format}"
        if table_format == "csv":
            write_rows(source, rows, padding=1000)
        elif table_format == "jsonl":
            with source.open("w") as file:
                file.writelines(f'{{"text": "{n:01000d}"}}\n' for n in range(rows))
        else:
            texts = pa.array([f"{n:01000d}" for n in range(rows)])
            pq.write_table(pa.table({"text": texts}), source, row_group_size=2_000)
        peaks.append(peak_bytes(body, table_format, source, tmp_path / "out"))
    return peaks[1] - peaks[0]
