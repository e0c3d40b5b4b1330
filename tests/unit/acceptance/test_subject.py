"""Which rows a deployment test sends, and what must be answered to them."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.acceptance.subject import choose_rows
from seatrial.domain.errors import SourceError
from tests.builders import LABELS
from tests.trials import LIMITS, rows, subject


def test_rows_are_spread_over_all_and_the_same_each_time() -> None:
    texts = [f"text {place}" for place in range(100)]
    shares = np.array([[0.2, 0.8]] * 100)
    chosen = [choose_rows(texts, shares, LABELS, count=5, longest_chars=99) for _ in range(2)]
    assert chosen[0] == chosen[1]
    assert chosen[0].texts == ("text 0", "text 25", "text 50", "text 74", "text 99")
    assert set(chosen[0].labels) == {"positive"}


def test_rows_that_no_data_plane_takes_are_left_out() -> None:
    texts = ["", "  ", "half \ud83d pair", "too long", "fine"]
    chosen = choose_rows(texts, np.array([[0.6, 0.4]] * 5), LABELS, count=9, longest_chars=7)
    assert (chosen.texts, chosen.labels) == (("fine",), ("negative",))
    with pytest.raises(SourceError, match="prepare rows"):
        choose_rows(texts[:2], np.array([[0.6, 0.4]] * 2), LABELS, count=9, longest_chars=7)


def test_loads_hold_fp32_answers_against_the_source() -> None:
    mix = subject().mix(2)
    assert mix.sizes == (2,)
    assert mix.expected["1"].labels == rows().labels
    assert mix.tolerance == 1e-4


def test_loads_hold_answers_against_nothing_where_they_may_differ() -> None:
    elsewhere = LIMITS.__class__(64, 64, max_length=32, end_within_s=1.0)
    for changed in (subject(probability_limit=None), subject(limits=elsewhere)):
        assert changed.mix(1).expected == {}


def test_a_text_that_may_get_either_label_is_not_sent() -> None:
    given = rows(20)
    torn = given.probabilities[:5] + ((0.50001, 0.49999),) * (len(given) - 5)
    mixed = subject(rows=given.__class__(given.texts, given.labels, torn)).mix(1)
    assert mixed.texts == given.texts[:5]


def test_rows_begin_again_where_there_are_too_few() -> None:
    given = rows(3)
    assert given.repeated(7) == given.texts * 2 + given.texts[:1]
    assert given.first(2).labels == given.labels[:2]
