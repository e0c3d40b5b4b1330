from __future__ import annotations

import enum
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.domain.errors import UsageError
from seatrial.domain.model import Alias
from seatrial.store.canonical import MAX_DEPTH, MAX_DOCUMENT_BYTES, canonical_json

TEXTS = st.text(st.characters(codec="utf-8"))
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


class Level(enum.IntEnum):
    HIGH = 3


@settings(deadline=None)
@given(DOCUMENTS)
def test_a_document_reads_back_and_has_one_text(document: object) -> None:
    text = canonical_json(document)
    assert json.loads(text) == document
    assert canonical_json(json.loads(text)) == text


@settings(deadline=None)
@given(st.dictionaries(TEXTS, st.integers(0, 9), min_size=2))
def test_the_order_of_keys_does_not_matter(document: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(document.items()))) == canonical_json(document)


def test_members_of_enumerations_and_tuples_become_plain() -> None:
    assert canonical_json({Alias.PRODUCTION: (Alias.STAGING, Level.HIGH, np.float64(0.5))}) == (
        '{"production":["staging",3,0.5]}'
    )


def test_a_document_too_deep_or_too_large_is_refused() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UsageError, match=f"more than {MAX_DEPTH} deep"):
        canonical_json(deep)
    with pytest.raises(UsageError, match="record the file's digest"):
        canonical_json({"text": "x" * MAX_DOCUMENT_BYTES})
    assert canonical_json(["é" * ((MAX_DOCUMENT_BYTES - 4) // 2)])


@pytest.mark.parametrize("value", [{1, 2}, object(), np.float32(0.5), np.zeros(2), 1j, iter(())])
def test_what_json_has_no_form_for_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"payload\.value is a .*convert it to a number or text"):
        canonical_json({"value": value})
