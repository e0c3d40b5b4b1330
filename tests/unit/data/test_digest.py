from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seatrial.data.digest import dataset_sha256, rows_sha256
from seatrial.domain.dataset import LabelledRows

ROWS = LabelledRows(("1", "2"), ("gut", "böse"), np.array([1, 0]), ("a", "b"), ("x", ""))
LABELS = ("negative", "positive")


def test_the_digest_is_that_of_a_written_form_anybody_can_make() -> None:
    # printf '["1","gut","positive","a","x"]\n["2","böse","negative","b",""]\n' | sha256sum
    assert rows_sha256(ROWS, LABELS) == "e166faf447dd349ca97d697777f94486a0d5e16c9346f4909458882c1ac347be"


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ("1", "3")},
        {"texts": ("gut", "bose")},
        {"labels": np.array([1, 1])},
        {"groups": ("a", "c")},
        {"domains": ("", "x")},
    ],
)
def test_every_column_counts(change: dict[str, object]) -> None:
    assert rows_sha256(replace(ROWS, **change), LABELS) != rows_sha256(ROWS, LABELS)  # type: ignore[arg-type]


def test_the_order_of_rows_and_labels_counts() -> None:
    turned = LabelledRows(ROWS.ids[::-1], ROWS.texts[::-1], ROWS.labels[::-1], ROWS.groups[::-1], ROWS.domains[::-1])
    assert rows_sha256(turned, LABELS) != rows_sha256(ROWS, LABELS)
    assert dataset_sha256(LABELS, {"train": "0"}) != dataset_sha256(LABELS[::-1], {"train": "0"})
    assert dataset_sha256(LABELS, {"train": "0"}) != dataset_sha256(LABELS, {"test": "0"})
