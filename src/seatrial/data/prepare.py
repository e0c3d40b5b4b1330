"""Prepare a dataset: read the source, clean, split, describe, write, and read back what was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seatrial.config import DataSettings
from seatrial.data.card import Preparation, build_card
from seatrial.data.cleaning import CleanRow, clean
from seatrial.data.digest import dataset_sha256, rows_sha256
from seatrial.data.prepared import load_dataset, write_dataset
from seatrial.data.profile import build_profile
from seatrial.data.sources.choose import open_source
from seatrial.data.sources.source import RawRow
from seatrial.data.split import check_no_leak, find_labels, split_rows
from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.progress import SILENT, Progress, Step

__all__ = ["load_dataset", "prepare"]

_ROWS_PER_REPORT = 1000


def prepare(settings: DataSettings, destination: Path, *, cache_dir: Path, progress: Progress = SILENT) -> Dataset:
    """Makes the dataset the settings describe and writes it into `destination`, whole or not at all.

    The same settings and source give the same digest on every machine, whatever the order of the source's rows.

    Args:
        cache_dir: where fetched files are kept.

    Returns:
        The dataset as it was read back from `destination`.

    Raises:
        SourceError, UnknownColumnError, EmptyTextError, LabelError, LeakageError, DataError: rows that cannot be
            used; the message names them.
        UsageError: impossible settings.
        UnreachableError: what must be fetched cannot be.
        StorageFullError: no room; what lay in `destination` stays.
        MissingExtraError: pyarrow is not installed.
    """
    source = open_source(settings, cache_dir, progress=progress)
    facts = source.facts
    with progress.step(f"read {facts.name} (rows)") as step:
        cleaned = clean(_reported(source.rows(), step), settings)
    labels = find_labels(cleaned.rows, settings)
    split = split_rows(cleaned.rows, labels, settings)
    rows: dict[str, LabelledRows] = {side: _columns(clean_rows, labels) for side, clean_rows in split.sides.items()}
    check_no_leak(rows)
    digest = dataset_sha256(labels, {side: rows_sha256(columns, labels) for side, columns in rows.items()})
    dataset = Dataset(facts.name, labels, rows["train"], rows["validation"], rows["test"], digest)
    card = build_card(dataset, Preparation(facts, settings, cleaned, split))
    profile = build_profile(dataset.train, labels)
    with progress.step(f"write {destination.name}"):
        write_dataset(replace(dataset, card=card, profile=profile), destination)
        return load_dataset(destination)


def _columns(rows: Sequence[CleanRow], labels: Sequence[str]) -> LabelledRows:
    index = {label: position for position, label in enumerate(labels)}
    return LabelledRows(
        ids=tuple(row.id for row in rows),
        texts=tuple(row.text for row in rows),
        labels=np.array([index[row.label] for row in rows], np.int64),
        groups=tuple(row.group for row in rows),
        domains=tuple(row.domain for row in rows),
    )


def _reported(rows: Iterable[RawRow], step: Step) -> Iterator[RawRow]:
    for number, row in enumerate(rows, start=1):
        if number % _ROWS_PER_REPORT == 0:
            step.advance(_ROWS_PER_REPORT)
        yield row
