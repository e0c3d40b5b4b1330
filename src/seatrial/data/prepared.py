"""The prepared directory: written whole or not at all, and believed only after its digests were checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.bundle import write_directory_atomically
from seatrial.data.card import FORMAT_VERSION, render_card
from seatrial.data.columnar import parquet_library
from seatrial.data.digest import dataset_sha256, document_sha256, rows_sha256
from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.errors import SourceError

__all__ = ["load_dataset", "write_dataset"]

_CARD_FILE = "card.json"
_PROFILE_FILE = "profile.json"
_COLUMNS = ("id", "text", "label", "group", "domain")
_SPLITS = ("train", "validation", "test")
_ADVICE = "prepare the rows again"


def write_dataset(dataset: Dataset, directory: Path) -> None:
    """Writes Parquet files, card and profile; what lay in `directory` is replaced once all of it is on the disk.

    Raises:
        MissingExtraError: pyarrow is not installed.
        StorageFullError: no room; nothing is left behind.
    """
    card = {**dataset.card, "profile_sha256": document_sha256(dataset.profile)}

    def fill(partial: Path) -> None:
        for name, rows in dataset.splits.items():
            _write_rows(partial / f"{name}.parquet", rows, dataset.labels)
        _write_json(partial / _CARD_FILE, {**card, "card_sha256": document_sha256(card)})
        _write_json(partial / _PROFILE_FILE, dataset.profile)
        (partial / "card.md").write_text(render_card(card), "utf-8")

    write_directory_atomically(directory, fill)


def load_dataset(directory: Path) -> Dataset:
    """Reads a prepared directory back and checks every digest.

    Raises:
        SourceError: a file is missing, cannot be read, or is not the one that was written; the message names it.
        MissingExtraError: pyarrow is not installed.
    """
    card_path = directory / _CARD_FILE
    card = _read_json(card_path)
    body = {key: value for key, value in card.items() if key != "card_sha256"}
    _require(card.get("card_sha256") == document_sha256(body), card_path)
    if card["format_version"] != FORMAT_VERSION:
        raise SourceError(
            f"{directory} has format {card['format_version']}, this release reads {FORMAT_VERSION}: {_ADVICE}."
        )
    profile_path = directory / _PROFILE_FILE
    profile = _read_json(profile_path)
    _require(card["profile_sha256"] == document_sha256(profile), profile_path)
    labels = tuple(card["labels"])
    splits = {}
    digests = {}
    for name in _SPLITS:
        path = directory / f"{name}.parquet"
        splits[name] = _read_rows(path, labels)
        digests[name] = rows_sha256(splits[name], labels)
        _require(digests[name] == card["splits"][name]["sha256"], path)
    _require(dataset_sha256(labels, digests) == card["sha256"], card_path)
    return Dataset(card["name"], labels, **splits, sha256=card["sha256"], card=card, profile=profile)


def _require(unaltered: bool, path: Path) -> None:
    if not unaltered:
        raise SourceError(f"{path} was altered after it was written (sha256): {_ADVICE}.")


def _write_rows(path: Path, rows: LabelledRows, labels: tuple[str, ...]) -> None:
    pyarrow, parquet = parquet_library()
    columns = (rows.ids, rows.texts, [labels[index] for index in rows.labels], rows.groups, rows.domains)
    table = pyarrow.table(
        {name: pyarrow.array(column, pyarrow.string()) for name, column in zip(_COLUMNS, columns, strict=True)}
    )
    parquet.write_table(table, path)


def _read_rows(path: Path, labels: tuple[str, ...]) -> LabelledRows:
    pyarrow, parquet = parquet_library()
    try:
        table = parquet.read_table(path, columns=list(_COLUMNS), partitioning=None)
        ids, texts, names, groups, domains = (tuple(table.column(name).to_pylist()) for name in _COLUMNS)
        indices = np.array([labels.index(name) for name in names], np.int64)
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: {_ADVICE}.") from None
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise SourceError(f"{path} cannot be read ({error}): {_ADVICE}.") from error
    return LabelledRows(ids, texts, indices, groups, domains)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: {_ADVICE}.") from None
    except (ValueError, OSError) as error:
        raise SourceError(f"{path} cannot be read ({error}): {_ADVICE}.") from error
    if not isinstance(document, dict):
        raise SourceError(f"{path} holds no card or profile: {_ADVICE}.")
    return document
