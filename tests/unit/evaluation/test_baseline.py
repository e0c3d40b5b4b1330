"""The baseline learns what there is to learn, in either script, and says when there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.errors import DataError
from seatrial.evaluation.baseline import predict_baseline, written_without_spaces
from tests.builders import dataset, rows


def relabelled(labelled: LabelledRows, texts: list[str]) -> LabelledRows:
    return replace(labelled, texts=tuple(texts))


def chinese() -> Dataset:
    """Good and bad words inside runs of characters without a space."""
    source = dataset(train=300, test=100)

    def write(labelled: LabelledRows) -> LabelledRows:
        words = (("糟糕", "难看"), ("好看", "喜欢"))
        return relabelled(
            labelled, [f"这部{i % 7}电影真{words[label][i % 2]}啊{i % 5}" for i, label in enumerate(labelled.labels)]
        )

    return replace(source, train=write(source.train), test=write(source.test))


def test_it_learns_words() -> None:
    source = dataset()
    assert (predict_baseline(source) == source.test.labels).mean() > 0.9


def test_it_learns_characters_where_there_are_no_spaces() -> None:
    source = chinese()
    assert written_without_spaces(source.train.texts)
    assert (predict_baseline(source) == source.test.labels).mean() > 0.95


def test_a_quoted_foreign_word_does_not_change_the_script() -> None:
    assert not written_without_spaces(["the film 霸王别姬 is a lovely long story about opera"])
    assert written_without_spaces(["カメラはとても良い"])
    assert not written_without_spaces(["12345 !!!"])


def test_equal_rows_give_equal_answers() -> None:
    source = dataset()
    assert predict_baseline(source).tolist() == predict_baseline(source).tolist()


def test_more_than_two_classes() -> None:
    source = dataset()
    train = replace(source.train, labels=np.arange(len(source.train)) % 3)
    answers = predict_baseline(replace(source, labels=("a", "b", "c"), train=train))
    assert set(answers.tolist()) <= {0, 1, 2}


@pytest.mark.parametrize(
    "train",
    [
        replace(rows(50), labels=np.zeros(50, np.int64)),
        relabelled(rows(50), ["!!!"] * 50),
    ],
    ids=["one class", "no words"],
)
def test_rows_with_nothing_to_learn_are_refused(train: LabelledRows) -> None:
    with pytest.raises(DataError, match="No baseline can be trained on these 50 rows"):
        predict_baseline(replace(dataset(), train=train))
