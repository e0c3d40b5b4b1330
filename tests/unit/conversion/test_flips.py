from __future__ import annotations

import numpy as np
import pytest

from seatrial.conversion.flips import Flips, flip_rate, judged, length_buckets, rows_needed
from seatrial.domain.evidence import Verdict
from seatrial.stats import clopper_pearson


def mask(flips: int, rows: int) -> np.ndarray:
    return np.arange(rows) < flips


def test_counts_a_mask() -> None:
    flips = Flips.of(mask(3, 100), 0.95)
    assert (flips.flips, flips.rows, flips.ratio) == (3, 100, 0.03)
    assert flips.lower_bound < 0.03 < flips.upper_bound


@pytest.mark.parametrize(
    ("flips", "rows", "limit", "verdict"),
    [
        (0, 149, 0.02, Verdict.PASS),
        (0, 148, 0.02, Verdict.INCONCLUSIVE),
        (31, 2141, 0.02, Verdict.PASS),
        (32, 2141, 0.02, Verdict.INCONCLUSIVE),
        (42, 2141, 0.02, Verdict.INCONCLUSIVE),
        (43, 2141, 0.02, Verdict.FAIL),
        (1, 10, 0.02, Verdict.FAIL),
        (0, 0, 0.02, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_follows_the_exact_bound(flips: int, rows: int, limit: float, verdict: Verdict) -> None:
    finding = flip_rate("m@1/a", Flips(flips, rows, 0.95), limit)
    assert finding.verdict is verdict
    assert finding.value == clopper_pearson.upper_bound(flips, rows, 0.95)
    assert (finding.limit, finding.samples) == (limit, rows)
    assert finding.details["flips"] == flips


@pytest.mark.parametrize(("flips", "rows"), [(0, 0), (0, 10), (1, 100), (19, 1000)])
def test_the_advice_is_the_least_number_of_rows_that_would_do(flips: int, rows: int) -> None:
    limit = 0.02
    needed = rows_needed(Flips(flips, rows, 0.95), limit)
    assert needed is not None

    def enough(count: int) -> bool:
        expected = -(-flips * count // rows) if rows else 0
        return clopper_pearson.upper_bound(expected, count, 0.95) <= limit

    assert enough(needed)
    assert not enough(needed - 1)
    assert f"{needed:,} rows" in judged(Flips(flips, rows, 0.95), limit)[1]


def test_a_rate_at_the_limit_is_never_proven() -> None:
    assert rows_needed(Flips(2, 100, 0.95), 0.02) is None
    assert "No number of rows" in judged(Flips(2, 100, 0.95), 0.02)[1]


def test_a_bucket_of_lengths_fails_where_all_rows_together_pass() -> None:
    lengths = np.concatenate([np.full(1900, 12), np.full(100, 60)])
    flipped = np.concatenate([np.zeros(1900, bool), mask(18, 100)])
    assert flip_rate("m@1/a", Flips.of(flipped, 0.95), 0.02).verdict is Verdict.PASS
    finding = length_buckets("m@1/a", flipped, lengths, 0.02, 0.95)
    assert finding.verdict is Verdict.FAIL
    assert finding.value is not None
    assert finding.value > 0.02
    assert "33-64 tokens 18 of 100" in finding.reason
    assert [(row["tokens"], row["rows"], row["flips"]) for row in finding.details["buckets"]] == [
        ("9-16", 1900, 0),
        ("33-64", 100, 18),
    ]


def test_one_flip_in_a_small_bucket_fails_nothing() -> None:
    finding = length_buckets("m@1/a", mask(1, 7), np.array([300, 300, 300, 2, 3, 4, 5]), 0.02, 0.95)
    assert finding.verdict is Verdict.PASS
    assert "257+ tokens 1 of 3" in finding.reason


def test_the_edges_belong_to_the_shorter_bucket() -> None:
    finding = length_buckets("m@1/a", mask(0, 4), np.array([8, 9, 256, 257]), 0.02, 0.95)
    assert [row["tokens"] for row in finding.details["buckets"]] == ["1-8", "9-16", "129-256", "257+"]
