from __future__ import annotations

import datetime as dt
import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from seatrial.data.tables.text_rows import (
    DelimitedSink,
    DelimitedSource,
    JsonLinesSink,
    JsonLinesSource,
    as_cell,
    as_json,
)
from seatrial.domain.errors import SourceError
from seatrial.domain.tables import Column, Kind, Row

FIELDS = "fields with quotes or delimiters stand in double quotes, with at most 131,072 characters"


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows"
    path.write_bytes(content)
    return path


def csv_rows(tmp_path: Path, content: bytes) -> list[Row]:
    return list(DelimitedSource(written(tmp_path, content), ","))


def json_rows(tmp_path: Path, content: bytes) -> list[Row]:
    return list(JsonLinesSource(written(tmp_path, content)))


class TestDelimitedSource:
    def test_every_column_is_kept_with_its_line(self, tmp_path: Path) -> None:
        rows = csv_rows(tmp_path, b'\xef\xbb\xbfid,text\r\n1,"a, ""b"""\r\n\r\n2,"two\r\nlines"\r\n')
        assert rows == [
            Row("line 2", {"id": "1", "text": 'a, "b"'}),
            Row("line 5", {"id": "2", "text": "two\r\nlines"}),
        ]

    def test_a_bad_row_is_told_and_harms_no_other(self, tmp_path: Path) -> None:
        rows = csv_rows(tmp_path, b'id,text\n1,fine\n2,\xffbad\n3,"a"b\n4\n5,a,b\n6,fine\n')
        assert [row.fault for row in rows] == [
            "",
            "line 3 is not UTF-8 at its byte 2",
            f"',' expected after '\"' ({FIELDS})",
            "it has 1 fields, the header has 2",
            "it has 3 fields, the header has 2",
            "",
        ]
        assert rows[1].cells == {"id": "2", "text": "\N{REPLACEMENT CHARACTER}bad"}
        assert rows[5] == Row("line 7", {"id": "6", "text": "fine"})

    def test_a_quote_that_never_closes_is_one_bad_row(self, tmp_path: Path) -> None:
        rows = csv_rows(tmp_path, b'text\nfine\n"open\nfine\n')
        assert [bool(row.fault) for row in rows] == [False, True]

    @pytest.mark.parametrize(
        ("content", "words"),
        [(b"", "is empty"), (b"a,\xff\n", "not UTF-8"), (b"a,b,a\n1,2,3\n", "more than one column 'a'")],
    )
    def test_a_header_that_names_nothing_is_refused(self, tmp_path: Path, content: bytes, words: str) -> None:
        with pytest.raises(SourceError, match=words):
            csv_rows(tmp_path, content)

    def test_compressed_and_how_far(self, tmp_path: Path) -> None:
        source = DelimitedSource(written(tmp_path, gzip.compress(b"text\na\nb\n")), "\t")
        assert source.done_ratio() == 0
        rows = iter(source)
        assert next(rows).cells == {"text": "a"}
        assert 0 < source.done_ratio() <= 1

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        content = gzip.compress(b"text\n" + bytes(range(65, 91)) * 100)
        with pytest.raises(SourceError, match="damaged"):
            csv_rows(tmp_path, content[:-20])


class TestJsonLinesSource:
    def test_each_row_has_its_own_keys(self, tmp_path: Path) -> None:
        rows = json_rows(tmp_path, b'{"text": "a", "n": 1}\n\n{"text": null}\n')
        assert rows == [Row("line 1", {"text": "a", "n": 1}), Row("line 3", {"text": None})]

    def test_a_bad_row_is_told_and_harms_no_other(self, tmp_path: Path) -> None:
        rows = json_rows(tmp_path, b'{"text": "a"}\n{"text"\n["a"]\n{"text": "\xff"}\n' + b"[" * 100_000 + b"\n{}\n")
        faults = ["", "it is no JSON", "it is no JSON object", "line 4 is not UTF-8", "it is no JSON", ""]
        for row, fault in zip(rows, faults, strict=True):
            assert row.fault.startswith(fault)
            assert bool(row.fault) == bool(fault)

    def test_columns_are_those_of_all_rows_with_what_they_hold(self, tmp_path: Path) -> None:
        content = (
            b'{"s": "a", "i": 1, "f": 1, "b": true, "big": 1, "mixed": 1, "list": [1], "null": null}\n'
            b"no JSON\n"
            b'{"i": null, "f": 0.5, "b": false, "big": 36893488147419103232, "mixed": "a", "late": "x"}\n'
        )
        kinds = {column.name: column.kind for column in JsonLinesSource(written(tmp_path, content)).columns}
        assert kinds == {
            "s": Kind.TEXT,
            "i": Kind.INTEGER,
            "f": Kind.NUMBER,
            "b": Kind.BOOLEAN,
            "big": Kind.JSON,
            "mixed": Kind.JSON,
            "list": Kind.JSON,
            "null": Kind.TEXT,
            "late": Kind.TEXT,
        }


def test_a_delimited_sink_writes_what_its_source_reads(tmp_path: Path) -> None:
    file = io.BytesIO()
    sink = DelimitedSink(file, [Column("id"), Column("text")], ",")
    texts = ['a "quoted", text', "two\nlines", "", "\N{SNOWMAN}", "half \ud83d"]
    for number, text in enumerate(texts):
        sink.write({"text": text, "id": number, "other": "not a column"})
    sink.write({})
    sink.finish()
    assert file.getvalue().startswith(b"id,text\n0,")
    read = [row.cells for row in csv_rows(tmp_path, file.getvalue())]
    assert [cells["text"] for cells in read] == [*texts[:4], "half \\ud83d", ""]


def test_json_lines_come_back_as_they_were(tmp_path: Path) -> None:
    cells: list[dict[str, Any]] = [
        {"text": "gut \N{SNOWMAN}\n", "n": 0.1, "x": None},
        {"text": "half \ud83d", "l": [1]},
    ]
    file = io.BytesIO()
    sink = JsonLinesSink(file)
    for row in cells:
        sink.write(row)
    sink.finish()
    assert "\N{SNOWMAN}".encode() in file.getvalue()
    assert [row.cells for row in json_rows(tmp_path, file.getvalue())] == cells


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (dt.date(2026, 3, 3), "2026-03-03"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        ({"a": None}, '{"a": null}'),
        (1.5, 1.5),
        (False, "false"),
    ],
)
def test_a_value_has_one_form_as_a_cell(value: object, cell: object) -> None:
    assert as_cell(value) == cell


def test_what_json_has_no_word_for_is_text() -> None:
    assert as_json({"at": dt.datetime(2026, 3, 3, 4, 5)}) == '{"at": "2026-03-03T04:05:00"}'
