from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.data.tables.opening import open_sink, open_source
from seatrial.domain.errors import StorageFullError
from seatrial.domain.tables import Column
from tests.limits import file_size_limit

COLUMNS = [Column("id"), Column("text")]


def write(path: Path, table_format: str, rows: int = 3) -> None:
    with open_sink(path, table_format, COLUMNS) as sink:
        for number in range(rows):
            sink.write({"id": str(number), "text": f"text, {number}"})


@pytest.mark.parametrize("table_format", ["csv", "tsv", "jsonl", "parquet"])
def test_each_format_reads_what_it_wrote(tmp_path: Path, table_format: str) -> None:
    write(tmp_path / "rows", table_format)
    source = open_source(tmp_path / "rows", table_format)
    assert [column.name for column in source.columns] == ["id", "text"]
    assert [row.cells for row in source] == [{"id": str(n), "text": f"text, {n}"} for n in range(3)]


@pytest.mark.parametrize("table_format", ["csv", "jsonl"])
def test_compressed_by_its_name_and_the_same_bytes_each_time(tmp_path: Path, table_format: str) -> None:
    first, second = tmp_path / "a" / "rows.gz", tmp_path / "b" / "rows.gz"
    for path in (first, second):
        write(path, table_format)
    assert first.read_bytes() == second.read_bytes()
    assert len(list(open_source(first, table_format))) == 3


@pytest.mark.parametrize("table_format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_was_there_stays_when_the_writing_ends_early(
    tmp_path: Path, table_format: str, error: type[BaseException]
) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"before")

    def interrupted() -> None:
        with open_sink(path, table_format, COLUMNS) as sink:
            sink.write({"id": "1", "text": "a"})
            raise error

    with pytest.raises(error):
        interrupted()
    assert [found.name for found in tmp_path.iterdir()] == ["rows"]
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("table_format", ["csv", "jsonl", "parquet"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, table_format: str) -> None:
    with file_size_limit(1000), pytest.raises(StorageFullError):
        write(tmp_path / "rows", table_format, rows=5000)
    assert list(tmp_path.iterdir()) == []
