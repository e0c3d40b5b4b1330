from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from seatrial.config import DataSettings
from seatrial.data.digest import document_sha256
from seatrial.data.prepare import load_dataset, prepare
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import EmptyTextError, LabelError, SourceError, StorageFullError, UnknownColumnError
from tests.builders import random_texts
from tests.limits import file_size_limit

Row = tuple[str, str, str, str]


def reviews(count: int = 600) -> list[Row]:
    """Text, label, user and shop of each review; three reviews a user."""
    texts, labels = random_texts(count, longest=60)
    return [
        (f"{text} {n}", ("bad", "good")[label], f"u{n // 3}", ("film", "phone")[n % 2])
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def write(path: Path, rows: Sequence[Row]) -> DataSettings:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label", "user", "shop"), *rows])
    return DataSettings(source=str(path), group_column="user", domain_column="shop")


def prepared(tmp_path: Path, rows: Sequence[Row], name: str = "rows", **changes: object) -> Dataset:
    settings = write(tmp_path / f"{name}.csv", rows).model_copy(update=changes)
    return prepare(settings, tmp_path / name, cache_dir=tmp_path / "cache")


def test_the_directory_holds_everything_and_reads_back_equal(tmp_path: Path) -> None:
    made = prepared(tmp_path, reviews())
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {
        "train.parquet", "validation.parquet", "test.parquet", "card.json", "card.md", "profile.json",
    }  # fmt: skip
    read = load_dataset(tmp_path / "rows")
    assert read.sha256 == made.sha256
    assert (read.labels, read.card, read.profile) == (("bad", "good"), made.card, made.profile)
    assert sum(map(len, read.splits.values())) == 600
    original = {text: (label, user, shop) for text, label, user, shop in reviews()}
    for rows in read.splits.values():
        assert rows.labels.dtype == np.int64
        for text, label, group, domain in zip(rows.texts, rows.labels, rows.groups, rows.domains, strict=True):
            assert original[text] == (read.labels[label], group, domain)


def test_equal_rows_give_equal_digests_whatever_their_order_and_file(tmp_path: Path) -> None:
    one = prepared(tmp_path, reviews(), "one")
    two = prepared(tmp_path, reviews()[::-1], "two")
    assert one.sha256 == two.sha256
    assert prepared(tmp_path, reviews()[1:], "three").sha256 != one.sha256


def test_preparing_the_same_again_changes_no_byte_of_card_and_profile(tmp_path: Path) -> None:
    prepared(tmp_path, reviews())
    before = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir() if path.suffix != ".parquet"}
    prepared(tmp_path, reviews())
    assert before == {name: (tmp_path / "rows" / name).read_bytes() for name in before}


def test_a_fraction_leaves_the_rows_held_out_as_they_are(tmp_path: Path) -> None:
    whole = prepared(tmp_path, reviews(), "whole")
    half = prepared(tmp_path, reviews(), "half", fraction=0.5)
    assert half.test.ids == whole.test.ids
    assert half.validation.ids == whole.validation.ids
    assert set(half.train.ids) < set(whole.train.ids)
    assert half.sha256 != whole.sha256
    assert half.card["thinned"] == len(whole.train) - len(half.train)


def test_the_card_counts_and_the_profile_is_of_the_training_rows(tmp_path: Path) -> None:
    rows = reviews()
    repeated, contradicted = rows[10], rows[20]
    noise = [repeated, (contradicted[0], "good" if contradicted[1] == "bad" else "bad", "u9", "film"), ("", "", "", "")]
    made = prepared(tmp_path, rows + noise, empty_texts="drop")
    cleaning = made.card["cleaning"]
    assert (cleaning["read"], cleaning["kept"]) == (603, 599)
    assert {drop["reason"]: (drop["rows"], drop["examples"]) for drop in cleaning["dropped"]} == {
        "the text is empty": (1, ["line 604"]),
        "the same text with the same label is there already": (1, ["line 602"]),
        "the same text is there with another label": (2, ["line 22", "line 603"]),
    }
    for name, split in made.splits.items():
        described = made.card["splits"][name]
        assert described["rows"] == len(split)
        assert sum(described["labels"].values()) == len(split)
        assert described["characters"]["most"] == max(map(len, split.texts))
    assert made.profile["rows"] == len(made.train)
    assert len(made.card["source"]["sha256"]) == 64


def test_the_card_for_people_says_what_matters(tmp_path: Path) -> None:
    made = prepared(tmp_path, [*reviews(), reviews()[0]], fraction=0.5)
    text = (tmp_path / "rows" / "card.md").read_text("utf-8")
    for fact in (
        made.sha256,
        "601 rows read, 600 kept",
        "1 left out: the same text",
        "not stated",
        "film",
        "bad",
        "0.5",
    ):
        assert fact in text
    assert str(tmp_path) not in text + (tmp_path / "rows" / "card.json").read_text("utf-8")


def test_a_card_of_many_domains_stays_short(tmp_path: Path) -> None:
    rows = [(text, label, user, f"shop | {n}") for n, (text, label, user, _) in enumerate(reviews())]
    prepared(tmp_path, rows)
    text = (tmp_path / "rows" / "card.md").read_text("utf-8")
    assert "And 570 more, see card.json." in text
    assert all(line.count("|") == 5 for line in text.splitlines() if "shop" in line)


def test_rows_held_out_that_only_reword_training_rows_are_counted(tmp_path: Path) -> None:
    rows = [(text, label, f"{n}", shop) for n, (text, label, _, shop) in enumerate(reviews())]
    whole = prepared(tmp_path, rows, "whole")
    assert whole.card["reworded"] == {"validation": 0, "test": 0}
    shouted = [(f"{text.upper()}!", label, f"x{user}", shop) for text, label, user, shop in rows]
    twice = prepared(tmp_path, rows + shouted, "twice")
    assert twice.card["reworded"]["test"] > len(whole.test)


def test_the_columns_are_those_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumnError, match=r"no column 'review' \(it has 'text', 'label', 'user', 'shop'\)"):
        prepared(tmp_path, reviews(), text_column="review")


def test_faulty_rows_are_named_and_what_lies_there_stays(tmp_path: Path) -> None:
    before = prepared(tmp_path, reviews())
    with pytest.raises(EmptyTextError, match="line 602"):
        prepared(tmp_path, [*reviews(), ("", "good", "u1", "")])
    with pytest.raises(LabelError, match="line 602, line 603"):
        prepared(tmp_path, [*reviews(), ("a", "", "u1", ""), ("b", "nan", "u1", "")])
    assert load_dataset(tmp_path / "rows").sha256 == before.sha256


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    before = prepared(tmp_path, reviews())
    settings = write(tmp_path / "more.csv", reviews(3000))
    with file_size_limit(16 * 2**10), pytest.raises(StorageFullError, match="No room to write"):
        prepare(settings, tmp_path / "rows", cache_dir=tmp_path / "cache")
    assert load_dataset(tmp_path / "rows").sha256 == before.sha256
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"rows"}


class TestAltered:
    """Whatever is changed in a prepared directory is noticed, and the file is named."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        prepared(tmp_path, reviews())
        return tmp_path / "rows"

    @pytest.mark.parametrize(
        "name", ["train.parquet", "validation.parquet", "test.parquet", "card.json", "profile.json"]
    )
    def test_a_missing_or_truncated_file(self, name: str, directory: Path) -> None:
        path = directory / name
        whole = path.read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"[]", b"\xff"):
            path.write_bytes(content)
            with pytest.raises(SourceError, match=f"{name} .*prepare the rows again"):
                load_dataset(directory)
        path.unlink()
        with pytest.raises(SourceError, match=f"{name} is missing"):
            load_dataset(directory)

    @pytest.mark.parametrize("column", ["id", "text", "label", "group", "domain"])
    def test_one_value(self, column: str, directory: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(directory / "test.parquet")
        values = table.column(column).to_pylist()
        values[3] = "bad" if values[3] == "good" else "good"
        changed = table.set_column(table.column_names.index(column), column, pa.array(values))
        pq.write_table(changed, directory / "test.parquet")
        with pytest.raises(SourceError, match=r"test\.parquet was altered"):
            load_dataset(directory)

    @pytest.mark.parametrize("value", ["unheard of", None])
    def test_a_label_that_is_none(self, value: str | None, directory: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(directory / "test.parquet")
        labels = pa.array([value] * len(table), pa.string())
        pq.write_table(table.set_column(2, "label", labels), directory / "test.parquet")
        with pytest.raises(SourceError, match=r"test\.parquet cannot be read"):
            load_dataset(directory)

    def test_a_column_that_is_gone(self, directory: Path) -> None:
        import pyarrow.parquet as pq

        table = pq.read_table(directory / "test.parquet")
        pq.write_table(table.drop_columns(["group"]), directory / "test.parquet")
        with pytest.raises(SourceError, match=r"test\.parquet"):
            load_dataset(directory)

    def test_exchanged_files(self, directory: Path) -> None:
        (directory / "validation.parquet").write_bytes((directory / "test.parquet").read_bytes())
        with pytest.raises(SourceError, match=r"validation\.parquet was altered"):
            load_dataset(directory)

    @pytest.mark.parametrize("name", ["card.json", "profile.json"])
    def test_a_word_of_card_or_profile(self, name: str, directory: Path) -> None:
        document = json.loads((directory / name).read_text("utf-8"))
        document["name"] = "another"
        (directory / name).write_text(json.dumps(document), "utf-8")
        with pytest.raises(SourceError, match=f"{name} was altered"):
            load_dataset(directory)

    def test_a_directory_of_another_format(self, directory: Path) -> None:
        card = {**json.loads((directory / "card.json").read_text("utf-8")), "format_version": 2}
        del card["card_sha256"]
        (directory / "card.json").write_text(json.dumps({**card, "card_sha256": document_sha256(card)}), "utf-8")
        with pytest.raises(SourceError, match="has format 2, this release reads 1: prepare the rows again"):
            load_dataset(directory)

    def test_the_same_documents_in_another_layout_are_fine(self, directory: Path) -> None:
        for name in ("card.json", "profile.json"):
            path = directory / name
            path.write_text(json.dumps(json.loads(path.read_text("utf-8"))), "utf-8")
        load_dataset(directory)
