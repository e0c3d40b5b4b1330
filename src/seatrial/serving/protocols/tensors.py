"""Tensors of the V2 protocol, between their written forms and arrays: JSON (nested or flat) and raw bytes.

Source: Open Inference Protocol V2, "Tensor Data"; Triton's binary tensor data extension for the raw form.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from seatrial.domain.errors import InvalidRequestError
from seatrial.domain.inference import FloatArray, IntArray

__all__ = [
    "INTEGERS",
    "LONGEST_DIMENSION",
    "MOST_DIMENSIONS",
    "Tensor",
    "from_bytes",
    "from_json",
    "to_bytes",
    "to_json",
]

INTEGERS: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("?"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}
"""Datatypes whose elements are whole numbers, and how their raw form is laid out."""

MOST_DIMENSIONS = 4
LONGEST_DIMENSION = 2**31
_PREFIX_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named array.

    Attributes:
        datatype: in the protocol's words.
        elements: row-major; strings for BYTES, else an array of `shape`.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: Sequence[str] | IntArray | FloatArray


def from_json(name: str, datatype: str, shape: Sequence[int], written: Any) -> Tensor:
    """Reads a tensor from its JSON form: nested as the shape says, or flat.

    Raises:
        InvalidRequestError: form, number or type of the elements do not fit.

    Example:
        >>> from_json("input_ids", "INT32", [2, 2], [[1, 2], [3, 4]]).elements.tolist()
        [[1, 2], [3, 4]]
        >>> from_json("text", "BYTES", [2], ["good", "bad"]).elements
        ['good', 'bad']
    """
    count = _count(name, shape)
    flat = _flatten(name, written, shape)
    if len(flat) != count:
        raise InvalidRequestError(f"{name} has {len(flat)} elements, but shape {list(shape)} has {count}.")
    kinds = set(map(type, flat))
    if datatype == "BYTES":
        if kinds - {str}:
            raise InvalidRequestError(f"{name} is BYTES and has elements that are no strings: send strings only.")
        return Tensor(name, datatype, tuple(shape), flat)
    dtype = _dtype(name, datatype)
    if kinds - ({bool} if datatype == "BOOL" else {int}):
        wanted = "true and false" if datatype == "BOOL" else "whole numbers"
        raise InvalidRequestError(f"{name} is {datatype} and has other elements: send {wanted} only.")
    try:
        array = np.array(flat, dtype)
    except OverflowError:
        raise InvalidRequestError(f"{name} has elements that no {datatype} can hold.") from None
    return Tensor(name, datatype, tuple(shape), _exact(name, array).reshape(shape))


def from_bytes(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> Tensor:
    """Reads a tensor from its raw form: elements little-endian, a string with its length in four bytes before it.

    Raises:
        InvalidRequestError: length or content do not fit.

    Example:
        >>> from_bytes("input_ids", "INT16", [1, 2], bytes([1, 0, 2, 0])).elements.tolist()
        [[1, 2]]
        >>> from_bytes("text", "BYTES", [1], bytes([2, 0, 0, 0]) + b"ok").elements
        ['ok']
    """
    count = _count(name, shape)
    if datatype == "BYTES":
        return Tensor(name, datatype, tuple(shape), _split_strings(name, memoryview(raw), count))
    dtype = _dtype(name, datatype)
    if len(raw) != count * dtype.itemsize:
        raise InvalidRequestError(
            f"{name} has {len(raw)} bytes, but {datatype} of shape {list(shape)} has {count * dtype.itemsize}."
        )
    if datatype == "BOOL" and bytes(raw).strip(b"\x00\x01"):
        raise InvalidRequestError(f"{name} is BOOL and has bytes other than 0 and 1.")
    return Tensor(name, datatype, tuple(shape), _exact(name, np.frombuffer(raw, dtype)).reshape(shape))


def to_json(tensor: Tensor) -> list[Any]:
    """The elements flat, as JSON has them."""
    elements = tensor.elements
    if isinstance(elements, np.ndarray):
        flat: list[Any] = elements.ravel().tolist()
        return flat
    return list(elements)


def to_bytes(tensor: Tensor) -> bytes:
    """The elements in their raw form."""
    elements = tensor.elements
    if isinstance(elements, np.ndarray):
        return elements.astype(elements.dtype.newbyteorder("<"), copy=False).tobytes()
    return _join_strings(elements)


def _join_strings(strings: Sequence[str]) -> bytes:
    r"""The raw form of BYTES.

    Example:
        >>> _join_strings(["ok"])
        b'\x02\x00\x00\x00ok'
    """
    encoded = [string.encode() for string in strings]
    return b"".join(itertools.chain.from_iterable((len(one).to_bytes(_PREFIX_BYTES, "little"), one) for one in encoded))


def _count(name: str, shape: Sequence[int]) -> int:
    if not 1 <= len(shape) <= MOST_DIMENSIONS or not 1 <= min(shape) <= max(shape) <= LONGEST_DIMENSION:
        raise InvalidRequestError(f"The shape of {name} is impossible: send its real dimensions, at least 1 each.")
    return math.prod(shape)


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    dtype = INTEGERS.get(datatype)
    if dtype is None:
        raise InvalidRequestError(f"{name} cannot be {datatype[:20]}: send BYTES for texts, INT64 for token ids.")
    return dtype


def _exact(name: str, array: npt.NDArray[Any]) -> IntArray:
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.size and int(array.max()) >= 2**63:
        raise InvalidRequestError(f"{name} has elements that no INT64 can hold.")
    return array.astype(np.int64)


def _flatten(name: str, written: Any, shape: Sequence[int]) -> list[Any]:
    """The elements in a flat list; lists inside lists must be as long as the shape says."""
    if not isinstance(written, list):
        raise InvalidRequestError(f"data of {name} is no list: send its elements, nested or flat.")
    if not written or not isinstance(written[0], list):
        return written
    for length in shape[1:]:
        if any(not isinstance(row, list) or len(row) != length for row in written):
            raise InvalidRequestError(f"data of {name} is nested otherwise than its shape {list(shape)} says.")
        flat: list[Any] = list(itertools.chain.from_iterable(written))
        written = flat
    return list(written)


def _split_strings(name: str, raw: memoryview, count: int) -> list[str]:
    strings: list[str] = []
    start = 0
    while start < len(raw):
        stop = start + _PREFIX_BYTES
        stop += int.from_bytes(raw[start:stop], "little")
        if stop > len(raw) or start + _PREFIX_BYTES > len(raw):
            raise InvalidRequestError(f"{name} is cut off: an element is longer than the bytes that are left.")
        try:
            strings.append(str(raw[start + _PREFIX_BYTES : stop], "utf-8"))
        except UnicodeDecodeError:
            raise InvalidRequestError(f"{name}[{len(strings)}] is not UTF-8: send text.") from None
        start = stop
    if len(strings) != count:
        raise InvalidRequestError(f"{name} has {len(strings)} elements, but its shape has {count}.")
    return strings
