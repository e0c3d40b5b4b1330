from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random
from typing import ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from seatrial.config import DataSettings
from seatrial.data.cleaning import CleanRow, clean
from seatrial.data.sources.source import RawRow
from seatrial.data.split import Split, check_no_leak, find_labels, side_of, split_rows
from seatrial.domain.dataset import LabelledRows
from seatrial.domain.errors import DataError, LabelError, LeakageError, UsageError
from tests.builders import rows as labelled_rows

LABELS = ("bad", "good")
HALVES = DataSettings(validation_ratio=0.25, test_ratio=0.25)


def row(number: int, label: str = "", group: str = "") -> CleanRow:
    return CleanRow(
        f"r{number}", f"text {number}", label or LABELS[number % 2], group or f"g{number}", "", f"line {number}"
    )


def many(count: int = 400) -> list[CleanRow]:
    return [row(number) for number in range(count)]


def test_sides_have_about_the_shares_asked_for() -> None:
    sides = [side_of(f"group {number}", DataSettings()) for number in range(20_000)]
    assert sides.count("test") / 20_000 == pytest.approx(0.13, abs=0.01)
    assert sides.count("validation") / 20_000 == pytest.approx(0.07, abs=0.01)


def test_the_side_of_a_group_is_the_same_on_every_machine() -> None:
    # The first bytes of their sha256, as sha256sum(1) gives them: bd65, 2547, 1da9 of 10000 in base 16.
    sides = {name: side_of(name, DataSettings()) for name in ("movie-1", "组-1", "movie-21")}
    assert sides == {"movie-1": "train", "组-1": "validation", "movie-21": "test"}


def test_another_validation_ratio_leaves_the_test_rows_as_they_are() -> None:
    for number in range(1000):
        before = side_of(str(number), DataSettings()) == "test"
        assert (side_of(str(number), DataSettings(validation_ratio=0.4)) == "test") == before


FILLERS = [RawRow(f"filler {n}", f"filler {n}", LABELS[n % 2], f"filler {n}") for n in range(60)]


@given(
    st.lists(st.tuples(st.text("ab ", max_size=4), st.sampled_from(LABELS), st.integers(0, 20)), max_size=60),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_no_group_and_no_text_crosses_and_the_order_of_rows_does_not_matter(
    drawn: list[tuple[str, str, int]], random: Random
) -> None:
    rows = FILLERS + [RawRow(f"line {i}", text, label, group) for i, (text, label, group) in enumerate(drawn)]
    shuffled = list(rows)
    random.shuffle(shuffled)
    config = DataSettings(validation_ratio=0.3, test_ratio=0.3, empty_texts="drop")
    sides = split_rows(clean(rows, config).rows, LABELS, config).sides
    assert contents(split_rows(clean(shuffled, config).rows, LABELS, config)) == contents(Split(sides))
    for left, right in itertools.combinations(sides.values(), 2):
        assert not {r.text for r in left} & {r.text for r in right}
        assert not {r.group for r in left} & {r.group for r in right}


def contents(split: Split) -> object:
    """Everything but where the source has the rows."""
    return {side: [replace(r, place="") for r in present] for side, present in split.sides.items()}


def test_a_fraction_thins_whole_groups_of_the_training_rows_only() -> None:
    rows = [row(number, group=f"g{number // 4}") for number in range(1200)]
    whole = split_rows(rows, LABELS, HALVES)
    half = split_rows(rows, LABELS, HALVES.model_copy(update={"fraction": 0.5}))
    tenth = split_rows(rows, LABELS, HALVES.model_copy(update={"fraction": 0.1}))
    assert half.sides["test"] == whole.sides["test"]
    assert half.sides["validation"] == whole.sides["validation"]
    assert half.thinned == len(whole.sides["train"]) - len(half.sides["train"])
    assert len(half.sides["train"]) / len(whole.sides["train"]) == pytest.approx(0.5, abs=0.15)
    kept = {r.group for r in half.sides["train"]}
    assert [r for r in whole.sides["train"] if r.group in kept] == half.sides["train"]
    assert {r.group for r in tenth.sides["train"]} < kept
    assert whole.thinned == 0


def test_ratios_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(UsageError, match="leave nothing to train on"):
        split_rows(many(), LABELS, DataSettings(validation_ratio=0.5, test_ratio=0.5))


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(DataError, match="No row falls on the validation side: add rows or groups"):
        split_rows([row(n, group="only") for n in range(50)] + many(3), LABELS, DataSettings(validation_ratio=0.001))


def test_a_side_of_one_label_is_refused_by_row() -> None:
    rows = [replace(r, label="bad") if side_of(r.group, HALVES) == "validation" else r for r in many()]
    first = next(r.place for r in rows if side_of(r.group, HALVES) == "validation")
    with pytest.raises(LabelError, match=rf"All rows of the validation side have the label bad \({first}, "):
        split_rows(rows, LABELS, HALVES)


def test_a_label_that_training_never_sees_is_refused() -> None:
    with pytest.raises(LabelError, match="No training row has the label mixed"):
        split_rows(many(), (*LABELS, "mixed"), HALVES)


def test_labels_are_found_in_order() -> None:
    assert find_labels(many(), DataSettings()) == LABELS
    assert find_labels([row(n, label=str(n)) for n in (10, 9, 1)], DataSettings()) == ("1", "9", "10")
    assert find_labels(many(), DataSettings(labels=("good", "bad"))) == ("good", "bad")


@pytest.mark.parametrize("labels", [("good",), ("good", "good")])
def test_fewer_than_two_labels_in_the_settings_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(LabelError, match="at least two, each once"):
        find_labels(many(), DataSettings(labels=labels))


def test_rows_of_one_label_are_refused() -> None:
    with pytest.raises(LabelError, match="only the label good: a classifier needs at least two"):
        find_labels([row(1, "good"), row(3, "good")], DataSettings())
    with pytest.raises(LabelError, match="have no label"):
        find_labels([], DataSettings())


class TestLeak:
    SPLITS: ClassVar = {side: labelled_rows(5, seed, side) for seed, side in enumerate(("train", "validation", "test"))}

    def with_train(self, **columns: object) -> dict[str, LabelledRows]:
        return {**self.SPLITS, "train": replace(self.SPLITS["train"], **columns)}  # type: ignore[arg-type]

    def test_separate_sides_pass(self) -> None:
        check_no_leak(self.SPLITS)

    def test_the_same_text_twice_on_one_side_is_no_leak(self) -> None:
        texts = self.SPLITS["train"].texts
        check_no_leak(self.with_train(texts=(texts[0], *texts[:4])))

    def test_a_text_on_two_sides_is_refused_by_row_however_it_is_spaced(self) -> None:
        foreign = f"  {self.SPLITS['test'].texts[3]}\n"
        leaking = self.with_train(texts=(*self.SPLITS["train"].texts[:4], foreign))
        with pytest.raises(LeakageError, match=r"same text .*: train4 \(train\) and test3 \(test\)"):
            check_no_leak(leaking)

    def test_a_group_on_two_sides_is_refused_by_row(self) -> None:
        groups = ("validation2", *self.SPLITS["train"].groups[1:])
        with pytest.raises(LeakageError, match=r"same group .*: train0 \(train\) and validation2 \(validation\)"):
            check_no_leak(self.with_train(groups=groups))

    def test_many_pairs_are_counted_not_all_named(self) -> None:
        side = labelled_rows(25)
        with pytest.raises(LeakageError, match="and 15 more"):
            check_no_leak({"train": side, "test": replace(side, labels=np.zeros(25, np.int64))})
