"""Logits to probabilities and labels, at the edges of arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seatrial.text.labels import label_indices, label_names, scored_rows, softmax

finite_logits = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(finite_logits)
def test_probabilities_of_any_finite_logits_sum_to_one(logits: np.typing.NDArray[np.float32]) -> None:
    probabilities = softmax(logits)
    assert probabilities.shape == logits.shape
    assert probabilities.dtype == np.float32
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)


@given(finite_logits)
def test_the_label_is_the_most_probable(logits: np.typing.NDArray[np.float32]) -> None:
    probabilities = softmax(logits)
    chosen = label_indices(logits)
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(np.take_along_axis(probabilities, chosen[:, None], 1)[:, 0], probabilities.max(1))


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[1e30, -1e30]], [[1.0, 0.0]]),
        ([[1e30, 1e30]], [[0.5, 0.5]]),
        ([[-1e30, -1e30, -1e30, -1e30]], [[0.25, 0.25, 0.25, 0.25]]),
        ([[0.0, np.log(3.0)]], [[0.25, 0.75]]),
    ],
)
def test_known_probabilities(logits: list[list[float]], expected: list[list[float]]) -> None:
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-7)


def test_a_shift_of_all_logits_changes_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(softmax(logits + 1e6), softmax(logits), atol=1e-6)


def test_a_temperature_divides_the_logits() -> None:
    logits = np.random.default_rng(1).normal(size=(20, 3))
    np.testing.assert_array_equal(softmax(logits, 2.0), softmax(logits / 2.0))
    np.testing.assert_allclose(softmax(logits, 1e9), 1 / 3, atol=1e-6)


def test_the_first_of_equal_logits_is_the_label() -> None:
    assert label_indices([[1.0, 1.0], [0.0, 0.0], [-1.0, 2.0]]).tolist() == [0, 0, 1]
    assert label_indices(np.array([[3, 3, 3], [0, 5, 5]])).tolist() == [0, 1]
    assert label_names([[1.0, 1.0]], ("negative", "positive")) == ["negative"]


def test_no_texts_have_no_labels() -> None:
    none = np.zeros((0, 2), np.float32)
    assert softmax(none).shape == (0, 2)
    assert label_indices(none).shape == (0,)
    assert label_names(none, ("negative", "positive")) == []


@given(finite_logits, st.integers(1, 20))
def test_few_rows_and_many_are_scored_alike(logits: np.typing.NDArray[np.float32], times: int) -> None:
    labels = [f"label {column}" for column in range(logits.shape[1])]
    for rows in (logits, np.tile(logits, (times, 1))):
        scored = scored_rows(rows, labels)
        assert [label for label, _ in scored] == label_names(rows, labels)
        np.testing.assert_allclose([row for _, row in scored], softmax(rows), atol=1e-7)
