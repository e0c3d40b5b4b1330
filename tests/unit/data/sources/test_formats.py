from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.data.sources import formats
from seatrial.data.sources.formats import Record, TableFormat, format_of, read_records
from seatrial.domain.errors import SourceError, UnknownColumnError, UsageError


def read(tmp_path: Path, content: bytes, table_format: TableFormat, *columns: str) -> list[Record]:
    path = tmp_path / f"rows.{table_format}"
    path.write_bytes(content)
    return list(read_records(path, table_format, columns or ("text", "label")))


@pytest.mark.parametrize(
    ("name", "table_format"),
    [("a.csv", "csv"), ("a.CSV", "csv"), ("a.b.tsv.gz", "tsv"), ("a.ndjson", "jsonl"), ("a.parquet", "parquet")],
)
def test_the_ending_tells_the_format(name: str, table_format: str) -> None:
    assert format_of(name) == table_format


@pytest.mark.parametrize("name", ["rows", "rows.gz", "rows.xlsx"])
def test_an_ending_that_tells_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"set data\.format"):
        format_of(name)


class TestDelimited:
    def test_values_come_in_the_order_asked_for_with_their_lines(self, tmp_path: Path) -> None:
        content = b'id,label,text\r\n1,good,"a, b"\r\n\r\n2,bad,"two\r\nlines"\r\n3,bad,last'
        assert read(tmp_path, content, "csv", "text", "label") == [
            ("line 2", ["a, b", "good"]),
            ("line 5", ["two\r\nlines", "bad"]),
            ("line 6", ["last", "bad"]),
        ]

    def test_tabs(self, tmp_path: Path) -> None:
        assert read(tmp_path, b'text\tlabel\na, "b"\tgood\n', "tsv") == [("line 2", ['a, "b"', "good"])]

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self, tmp_path: Path) -> None:
        assert read(tmp_path, b"\xef\xbb\xbftext,label\na,b\n", "csv") == [("line 2", ["a", "b"])]

    def test_compressed(self, tmp_path: Path) -> None:
        assert read(tmp_path, gzip.compress(b"text,label\na,b\n"), "csv") == [("line 2", ["a", "b"])]

    def test_an_unknown_column_names_those_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownColumnError, match=r"no column 'text', 'label' \(it has 'review', 'stars'\)"):
            read(tmp_path, b"review,stars\na,5\n", "csv")

    def test_a_column_that_is_there_twice_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="more than one column text"):
            read(tmp_path, b"text,label,text\na,b,c\n", "csv")

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is empty"):
            read(tmp_path, b"", "csv")

    @pytest.mark.parametrize("row", [b"a,b,c", b"a"])
    def test_a_row_of_another_width_is_named(self, row: bytes, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"line 3 has \d fields, the header has 2"):
            read(tmp_path, b"text,label\na,b\n" + row + b"\nc,d\n", "csv")

    def test_an_unclosed_quote_loses_nothing_silently(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"line 4: .*double quotes"):
            read(tmp_path, b'text,label\n"a,b\nc,d\ne,f\n', "csv")

    def test_a_huge_field_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"line 2: field larger .* at most 131,072 characters"):
            read(tmp_path, b"text,label\n" + b"x" * 200_000 + b",good\n", "csv")

    def test_bytes_that_are_no_utf8_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="line 3 is not UTF-8 at byte 19 of the file: save"):
            read(tmp_path, b"text,label\nok,good\n\xe9t\xe9,good\n", "csv")

    def test_another_encoding_altogether_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="line 1 is not UTF-8 at byte 0"):
            read(tmp_path, "text,label\na,b\n".encode("utf-16"), "csv")

    def test_a_truncated_archive_is_named(self, tmp_path: Path) -> None:
        whole = gzip.compress("".join(["text,label\n", *(f"text {n},{n % 7}\n" for n in range(5000))]).encode())
        with pytest.raises(SourceError, match=r"ends too early or is damaged after line \d+"):
            read(tmp_path, whole[: len(whole) // 2], "csv")

    def test_a_line_without_end_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(formats, "_LONGEST_LINE_BYTES", 1000)
        with pytest.raises(SourceError, match="line 2 is longer than 1,000 bytes"):
            read(tmp_path, b"text,label\n" + b"x" * 1001, "csv")


class TestJsonLines:
    def test_values_of_any_type_and_missing_ones(self, tmp_path: Path) -> None:
        content = '{"text": "好", "label": 1}\n\n{"label": null}\n{"text": "b", "label": NaN}\n'.encode()
        first, second, third = read(tmp_path, content, "jsonl")
        assert first == ("line 1", ["好", 1])
        assert second == ("line 3", [None, None])
        assert third[0] == "line 4"

    def test_a_key_no_row_has_is_an_unknown_column(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownColumnError, match=r"no column 'text' \(it has 'body', 'label', 'id'\)"):
            read(tmp_path, b'{"body": "a", "label": 1}\n{"body": "b", "id": 3}\n', "jsonl")

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            (b'{"text": ', "no JSON"),
            (b"[1]", "no JSON object"),
            (b"[" * 100_000, "no JSON"),
            (b'"a"', "no JSON object"),
        ],
    )
    def test_a_line_that_is_no_object_is_named(self, line: bytes, what: str, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=f"line 2 is {what}"):
            read(tmp_path, b'{"text": "a", "label": 1}\n' + line + b"\n", "jsonl")

    def test_an_empty_file_has_no_rows(self, tmp_path: Path) -> None:
        assert read(tmp_path, b"", "jsonl") == []


class TestParquet:
    def test_values_with_their_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"label": [1, None], "id": [7, 8], "text": ["a", "b"]}), path)
        assert list(read_records(path, "parquet", ("text", "label"))) == [("row 1", ["a", 1]), ("row 2", ["b", None])]

    def test_an_unknown_column_names_those_there_are(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"review": ["a"], "stars": [5]}), path)
        with pytest.raises(UnknownColumnError, match=r"it has 'review', 'stars'"):
            list(read_records(path, "parquet", ("text",)))

    @pytest.mark.parametrize("content", [b"", b"no parquet at all"])
    def test_a_file_that_is_none_is_refused(self, content: bytes, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no readable Parquet file"):
            read(tmp_path, content, "parquet")

    def test_a_truncated_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "whole.parquet"
        pq.write_table(pa.table({"text": ["a"] * 100, "label": ["b"] * 100}), path)
        with pytest.raises(SourceError, match="no readable Parquet file"):
            read(tmp_path, path.read_bytes()[:-20], "parquet")

    def test_a_text_that_is_no_utf8_is_named(self, tmp_path: Path) -> None:
        broken = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xe9\xff")]
        )
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"text": broken, "label": ["a"]}), path)
        with pytest.raises(SourceError, match="after row 0 is not UTF-8"):
            list(read_records(path, "parquet", ("text", "label")))
