"""Every metric against scikit-learn on seeded arrays, and by hand at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sklearn_metrics

from seatrial.domain.inference import FloatArray, IntArray
from seatrial.evaluation.metrics import (
    accuracy,
    area_under_roc,
    class_scores,
    confusion,
    log_loss,
    log_probabilities,
    macro_f1,
)
from seatrial.text.labels import label_indices, softmax


@pytest.fixture(params=[2, 5])
def answered(request: pytest.FixtureRequest) -> tuple[IntArray, FloatArray]:
    """Truth (200,) and logits (200, labels) of a model that is right more often than not."""
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, request.param, 200)
    logits = rng.normal(size=(200, request.param)).astype(np.float32)
    logits[np.arange(200), truth] += 1.0
    return truth, logits


def test_confusion_and_class_scores_are_those_of_scikit_learn(answered: tuple[IntArray, FloatArray]) -> None:
    truth, logits = answered
    labels = logits.shape[1]
    predicted = label_indices(logits)
    matrix = confusion(truth, predicted, labels)
    assert matrix.tolist() == sklearn_metrics.confusion_matrix(truth, predicted).tolist()
    precision, recall, f1, rows = sklearn_metrics.precision_recall_fscore_support(truth, predicted)
    scores = class_scores(matrix, [str(label) for label in range(labels)])
    assert [s.precision for s in scores] == pytest.approx(precision)
    assert [s.recall for s in scores] == pytest.approx(recall)
    assert [s.f1 for s in scores] == pytest.approx(f1)
    assert [s.rows for s in scores] == rows.tolist()
    assert macro_f1(scores) == pytest.approx(f1.mean())


def test_area_and_log_loss_are_those_of_scikit_learn(answered: tuple[IntArray, FloatArray]) -> None:
    truth, logits = answered
    probabilities = softmax(logits).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wanted = sklearn_metrics.log_loss(truth, probabilities)
    assert log_loss(logits, truth) == pytest.approx(wanted, rel=1e-5)
    of_two = probabilities[:, 1] if logits.shape[1] == 2 else probabilities
    area = sklearn_metrics.roc_auc_score(truth, of_two, multi_class="ovr", average="macro")
    assert area_under_roc(logits, truth) == pytest.approx(area)


def test_area_counts_ties_half() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    second = np.array([0.0, 1.0, 1.0, 1.0, 2.0])
    area = area_under_roc(np.stack([np.zeros(5), second], axis=1), truth)
    assert area == pytest.approx(sklearn_metrics.roc_auc_score(truth, second))
    assert area_under_roc(np.zeros((4, 2)), np.array([0, 1, 0, 1])) == 0.5


def test_area_ranks_rows_whose_probabilities_round_to_one() -> None:
    logits = np.array([[0, 50], [0, 60], [0, 70]], np.float32)
    assert softmax(logits)[:, 1].tolist() == [1.0, 1.0, 1.0]
    assert area_under_roc(logits, np.array([0, 1, 1])) == 1.0


def test_area_is_unknown_with_one_class_and_leaves_absent_classes_out() -> None:
    assert area_under_roc([[0.0, 1.0], [1.0, 0.0]], np.array([1, 1])) is None
    three = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert area_under_roc(three, np.array([0, 1])) == 1.0


def test_a_class_without_rows_has_no_recall_and_no_f1() -> None:
    absent, present = class_scores(np.array([[0, 0], [1, 3]]), ("absent", "present"))
    assert (absent.recall, absent.f1, absent.predicted) == (None, None, 1)
    assert macro_f1([absent, present]) == present.f1


def test_a_class_that_is_never_answered_scores_zero() -> None:
    never, _ = class_scores(np.array([[0, 2], [0, 3]]), ("never", "always"))
    assert (never.precision, never.recall, never.f1) == (0.0, 0.0, 0.0)


def test_accuracy_carries_its_exact_interval() -> None:
    found = accuracy(np.array([True] * 8 + [False] * 2), 0.95)
    assert (found.rows, found.correct, found.ratio) == (10, 8, 0.8)
    assert (found.low, found.high) == pytest.approx((0.4439, 0.9748), abs=1e-4)


def test_accuracy_of_no_rows_claims_nothing() -> None:
    found = accuracy(np.zeros(0, np.bool_), 0.95)
    assert (found.ratio, found.low, found.high) == (0.0, 0.0, 1.0)


def test_log_probabilities_stay_finite_for_huge_logits() -> None:
    huge = np.array([[3e38, -3e38]], np.float32)
    assert np.isfinite(log_probabilities(huge)).all()
    assert np.isfinite(log_loss(huge, np.array([1])))


def test_log_loss_of_no_rows_is_zero() -> None:
    assert log_loss(np.zeros((0, 2)), np.zeros(0, np.int64)) == 0.0
