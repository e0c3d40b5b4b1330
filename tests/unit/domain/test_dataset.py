"""Datasets: three splits, by name and in the order of their use."""

from __future__ import annotations

from tests.builders import dataset, rows


def test_the_splits_by_name() -> None:
    made = dataset(train=5, validation=3, test=2)
    assert [(name, len(split)) for name, split in made.splits.items()] == [("train", 5), ("validation", 3), ("test", 2)]
    assert made.splits["test"] is made.test


def test_rows_have_the_length_of_their_texts() -> None:
    assert len(rows(0)) == 0
    assert len(rows(4)) == len(rows(4).labels) == 4
