"""Tensors in JSON and as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import InvalidRequestError
from seatrial.serving.protocols.tensors import INTEGERS, Tensor, from_bytes, from_json, to_bytes, to_json

NUMBERS = sorted(set(INTEGERS) - {"BOOL"})


@pytest.mark.parametrize("datatype", NUMBERS)
def test_each_whole_number_type_is_read_to_its_ends_in_both_forms(datatype: str) -> None:
    limits = np.iinfo(INTEGERS[datatype])
    ends = [int(limits.min), min(int(limits.max), 2**63 - 1)]
    for written in (ends, [[end] for end in ends]):
        tensor = from_json("x", datatype, [2, 1], written)
        assert np.asarray(tensor.elements).ravel().tolist() == ends
    raw = np.array(ends, INTEGERS[datatype]).tobytes()
    assert np.asarray(from_bytes("x", datatype, [2], raw).elements).tolist() == ends
    for beyond in (int(limits.min) - 1, int(limits.max) + 1):
        with pytest.raises(InvalidRequestError):
            from_json("x", datatype, [1], [beyond])


def test_what_no_int64_can_hold_is_refused_and_not_wrapped() -> None:
    with pytest.raises(InvalidRequestError, match="INT64"):
        from_json("x", "UINT64", [1], [2**63])
    with pytest.raises(InvalidRequestError, match="INT64"):
        from_bytes("x", "UINT64", [1], (2**63).to_bytes(8, "little"))


@pytest.mark.parametrize(
    ("datatype", "shape", "written"),
    [
        ("INT64", [2], [1]),
        ("INT64", [2], [1, 2, 3]),
        ("INT64", [1], [1.0]),
        ("INT64", [2], [1, True]),
        ("INT64", [1], ["1"]),
        ("INT64", [1], [None]),
        ("INT64", [1], 1),
        ("INT64", [1], {"a": 1}),
        ("INT64", [2, 2], [[1, 2], [3]]),
        ("INT64", [2, 2], [[1, 2], 3]),
        ("INT64", [2, 3], [[1, 2], [3, 4], [5, 6]]),
        ("INT64", [1, 1], [[[1]]]),
        ("BOOL", [1], [1]),
        ("BYTES", [1], [1]),
        ("BYTES", [2], ["a", None]),
        ("FP32", [1], [1.0]),
        ("INT64", [], []),
        ("INT64", [0], []),
        ("INT64", [-1], [1]),
        ("INT64", [1, 1, 1, 1, 1], [1]),
        ("INT64", [10**30], [1]),
    ],
)
def test_json_that_does_not_fit_is_refused(datatype: str, shape: list[int], written: Any) -> None:
    with pytest.raises(InvalidRequestError):
        from_json("x", datatype, shape, written)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("INT64", [1], b"\x01"),
        ("INT64", [1], bytes(16)),
        ("BOOL", [1], b"\x02"),
        ("FP32", [1], bytes(4)),
        ("BYTES", [1], b"\x01\x00"),
        ("BYTES", [1], b"\x05\x00\x00\x00ab"),
        ("BYTES", [1], b"\xff\xff\xff\xff"),
        ("BYTES", [2], b"\x01\x00\x00\x00a"),
        ("BYTES", [1], b"\x01\x00\x00\x00a\x01\x00\x00\x00b"),
        ("BYTES", [1], b"\x01\x00\x00\x00\xff"),
        ("BYTES", [2**31, 2**31], b""),
    ],
)
def test_bytes_that_do_not_fit_are_refused(datatype: str, shape: list[int], raw: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        from_bytes("x", datatype, shape, raw)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_texts_come_back_from_both_forms(texts: list[str]) -> None:
    tensor = Tensor("text", "BYTES", (len(texts),), texts)
    assert from_bytes("text", "BYTES", [len(texts)], to_bytes(tensor)).elements == texts
    assert from_json("text", "BYTES", [len(texts)], to_json(tensor)).elements == texts


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_numbers_come_back_from_both_forms(rows: int, columns: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=rows * columns, max_size=rows * columns))
    tensor = from_json("x", "INT64", [rows, columns], numbers)
    nested = np.array(numbers, np.int64).reshape(rows, columns).tolist()
    assert to_json(tensor) == to_json(from_json("x", "INT64", [rows, columns], nested)) == numbers
    assert to_json(from_bytes("x", "INT64", [rows, columns], to_bytes(tensor))) == numbers


@given(st.binary(max_size=64), st.integers(1, 4), st.sampled_from([*INTEGERS, "BYTES", "FP32"]))
def test_any_bytes_are_read_or_refused(raw: bytes, count: int, datatype: str) -> None:
    try:
        tensor = from_bytes("x", datatype, [count], raw)
    except InvalidRequestError:
        return
    assert len(to_json(tensor)) == count
