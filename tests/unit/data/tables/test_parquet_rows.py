from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.data.tables import parquet_rows
from seatrial.data.tables.parquet_rows import ParquetSink, ParquetSource
from seatrial.domain.errors import SourceError, UsageError
from seatrial.domain.tables import Column, Kind

TABLE = pa.table(
    {
        "id": pa.array(range(3000), pa.int32()),
        "text": pa.array(["a", None, "c"] * 1000),
        "at": pa.array([dt.date(2026, 1, 1)] * 3000),
        "tags": pa.array([["x"], [], None] * 1000, pa.list_(pa.string())),
        "kind": pa.array(["film", "phone", "film"] * 1000).dictionary_encode(),
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(TABLE, path, row_group_size=700)
    return path


def test_a_table_goes_through_unchanged(path: Path) -> None:
    source, file = ParquetSource(path), io.BytesIO()
    sink = ParquetSink(file, source.columns)
    places = []
    for row in source:
        assert not row.fault
        places.append(row.place)
        sink.write(row.cells)
    sink.finish()
    assert (places[0], places[-1], source.done_ratio()) == ("row 1", "row 3000", 1.0)
    assert pq.read_table(io.BytesIO(file.getvalue())).equals(TABLE)


def test_row_groups_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_GROUP_ROWS", 100)
    monkeypatch.setattr(parquet_rows, "_GROUP_CHARS", 1000)
    for text, groups in (("x", 3), ("x" * 500, 125)):
        file = io.BytesIO()
        sink = ParquetSink(file, [Column("text")])
        for _ in range(250):
            sink.write({"text": text})
        sink.finish()
        assert pq.ParquetFile(io.BytesIO(file.getvalue())).num_row_groups == groups


def test_what_json_held_gets_a_type() -> None:
    columns = [Column("t"), Column("i", Kind.INTEGER), Column("f", Kind.NUMBER), Column("b", Kind.BOOLEAN)]
    file = io.BytesIO()
    sink = ParquetSink(file, [*columns, Column("j", Kind.JSON)])
    sink.write({"t": "half \ud83d", "i": 1, "f": 1, "b": True, "j": [1, "a"]})
    sink.write({})
    sink.finish()
    assert pq.read_table(io.BytesIO(file.getvalue())).to_pylist() == [
        {"t": "half \\ud83d", "i": 1, "f": 1.0, "b": True, "j": '[1, "a"]'},
        dict.fromkeys("tifbj"),
    ]


def test_a_value_of_another_type_is_a_sentence() -> None:
    sink = ParquetSink(io.BytesIO(), [Column("i", Kind.INTEGER)])
    sink.write({"i": "one"})
    with pytest.raises(UsageError, match="Column 'i' of type int64 cannot be written"):
        sink.finish()


def test_a_text_that_is_no_utf_8_is_one_bad_row(tmp_path: Path) -> None:
    texts = pa.array([b"fine", b"b\xffd", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "bad.parquet")
    rows = list(ParquetSource(tmp_path / "bad.parquet"))
    assert [row.fault for row in rows] == ["", "a text in it is not UTF-8 at its byte 1", ""]
    assert rows[2].cells == {"text": "fine"}


def test_what_is_no_parquet_is_refused(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other.parquet"
    other.write_bytes(b"text\na\n")
    with pytest.raises(SourceError, match="no readable Parquet file"):
        assert ParquetSource(other).columns
    whole = path.read_bytes()
    other.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(SourceError, match="damaged after row"):
        list(ParquetSource(other))


def test_names_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    arrays: Any = [pa.array(["a"]), pa.array(["b"])]
    pq.write_table(pa.Table.from_arrays(arrays, ["text", "text"]), tmp_path / "twice.parquet")
    with pytest.raises(SourceError, match="more than one column 'text'"):
        assert ParquetSource(tmp_path / "twice.parquet").columns
