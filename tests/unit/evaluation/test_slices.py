"""Slices cover the rows by domain and by length."""

from __future__ import annotations

import numpy as np

from seatrial.evaluation.slices import slice_rows


def test_lengths_fall_into_their_buckets() -> None:
    lengths = np.array([1, 8, 9, 16, 17, 32, 33, 64, 65, 5000])
    slices = slice_rows([""] * 10, lengths, np.ones(10, np.bool_), 0.95)
    assert [(part.name, part.accuracy.rows) for part in slices] == [
        ("1-8 tokens", 2),
        ("9-16 tokens", 2),
        ("17-32 tokens", 2),
        ("33-64 tokens", 2),
        ("65+ tokens", 2),
    ]


def test_each_slice_has_its_own_accuracy_and_interval() -> None:
    right = np.array([True, True, False, False])
    slices = slice_rows(["b", "a", "b", ""], np.array([5, 5, 5, 5]), right, 0.95)
    shown = [(part.kind, part.name, part.accuracy.rows, part.accuracy.ratio) for part in slices]
    assert shown == [("domain", "a", 1, 1.0), ("domain", "b", 2, 0.5), ("length", "1-8 tokens", 4, 0.5)]
    assert all(part.accuracy.low <= part.accuracy.ratio <= part.accuracy.high for part in slices)


def test_one_endless_domain_name_costs_only_itself() -> None:
    domains = ["x" * 1_000_000, *["y"] * 9_999]
    assert len(slice_rows(domains, np.full(10_000, 5), np.ones(10_000, np.bool_), 0.95)) == 3
