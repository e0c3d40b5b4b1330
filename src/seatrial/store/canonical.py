"""One text for one JSON document, so that equal documents have equal digests."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from seatrial.domain.errors import UsageError

__all__ = ["MAX_DEPTH", "MAX_DOCUMENT_BYTES", "canonical_json"]

MAX_DEPTH = 64
"""Deepest nesting of a document: far above any honest one, and below Python's own recursion limit."""
MAX_DOCUMENT_BYTES = 16 * 2**20
"""Largest document: a ledger holds facts and digests, not files."""
_INTEGER_BITS = 64


def canonical_json(document: object) -> str:
    """The document as JSON with sorted keys, no spaces and no escapes that UTF-8 does not need.

    Raises:
        UsageError: JSON has no form for a part of it, or it is too deep or too large.

    Example:
        >>> canonical_json({"b": (1, 2.5), "a": "é"})
        '{"a":"é","b":[1,2.5]}'
    """
    text = json.dumps(_plain(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    size_bytes = len(text.encode("utf-8"))
    if size_bytes > MAX_DOCUMENT_BYTES:
        raise UsageError(
            f"A document of {size_bytes} bytes is too large for the ledger (at most {MAX_DOCUMENT_BYTES}): "
            "keep it in a file and record the file's digest."
        )
    return text


def _plain(value: object, place: str = "payload", depth: int = 0) -> Any:
    """The value in dictionaries, lists, strings, numbers, booleans and None only; `place` is named in errors."""
    if depth > MAX_DEPTH:
        raise UsageError(f"{place} is nested more than {MAX_DEPTH} deep: record it flatter.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int | float):
        return _number(value, place)
    if isinstance(value, Mapping):
        return {_key(key, place): _plain(member, f"{place}.{key}", depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, f"{place}[{i}]", depth + 1) for i, member in enumerate(value)]
    raise UsageError(f"{place} is a {type(value).__name__}, which JSON cannot hold: convert it to a number or text.")


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise UsageError(f"{place} has the key {key!r}: JSON keys are text.")
    return _text(key, f"a key of {place}")


def _text(value: str, place: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{place} is {value[:40]!a}, which is not valid Unicode: decode it properly first.") from None
    return str.__str__(value)  # a StrEnum's member becomes its text


def _number(value: float, place: str) -> int | float:
    if isinstance(value, int):
        if value.bit_length() > _INTEGER_BITS:
            raise UsageError(f"{place} is an integer of more than {_INTEGER_BITS} bits: record it as text.")
        return int(value)
    if not math.isfinite(value):
        raise UsageError(f"{place} is {value}, which JSON cannot hold: leave it out or record None.")
    return float(value)
