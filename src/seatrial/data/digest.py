"""The identity of prepared rows: digests over their content, not over the bytes of any file format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.domain.dataset import LabelledRows

__all__ = ["dataset_sha256", "document_sha256", "rows_sha256"]


def rows_sha256(rows: LabelledRows, labels: Sequence[str]) -> str:
    """Hex sha256 over every row's id, text, label, group and domain, in order."""
    digest = hashlib.sha256()
    names = [labels[index] for index in rows.labels]
    for row in zip(rows.ids, rows.texts, names, rows.groups, rows.domains, strict=True):
        digest.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def dataset_sha256(labels: Sequence[str], split_sha256: Mapping[str, str]) -> str:
    """Hex sha256 over the labels in order and the digest of every split by its name: equal digests, equal data."""
    return document_sha256({"labels": list(labels), "splits": dict(split_sha256)})


def document_sha256(document: Mapping[str, Any]) -> str:
    """Hex sha256 of a JSON document, however its keys are ordered.

    Example:
        >>> document_sha256({"a": 1, "b": 2}) == document_sha256({"b": 2, "a": 1})
        True
    """
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
