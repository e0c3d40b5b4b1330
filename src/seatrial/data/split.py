"""The split: whole groups to one side each, by a hash of the group alone, so that it is the same everywhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from seatrial.config import DataSettings
from seatrial.data.cleaning import CleanRow, Places, normalise
from seatrial.domain.dataset import LabelledRows
from seatrial.domain.errors import DataError, LabelError, LeakageError, UsageError

__all__ = ["Side", "Split", "check_no_leak", "find_labels", "side_of", "split_rows"]

Side: TypeAlias = Literal["train", "validation", "test"]
_SIDES: tuple[Side, ...] = ("train", "validation", "test")
_FRACTION_SALT = "fraction:"


@dataclass(frozen=True, slots=True)
class Split:
    """Clean rows on their sides, in the order they came.

    Attributes:
        thinned: training rows that `data.fraction` left out.
    """

    sides: Mapping[Side, Sequence[CleanRow]]
    thinned: int = 0


def side_of(group: str, settings: DataSettings) -> Side:
    """The side a group falls on.

    The test rows take the lowest hashes, so that changing `data.validation_ratio` leaves them as they are.

    Example:
        >>> side_of("movie-17", DataSettings())
        'train'
    """
    share = _share(group)
    if share < settings.test_ratio:
        return "test"
    return "validation" if share < settings.test_ratio + settings.validation_ratio else "train"


def split_rows(rows: Iterable[CleanRow], labels: Sequence[str], settings: DataSettings) -> Split:
    """Puts every row on the side of its group, and thins the training rows to `data.fraction` of their groups.

    Raises:
        UsageError: the ratios leave nothing to train on.
        DataError: a side is empty.
        LabelError: a side has rows of one label only, or training has none of some label.
    """
    if settings.validation_ratio + settings.test_ratio >= 1:
        raise UsageError("data.validation_ratio and data.test_ratio together leave nothing to train on: lower them.")
    sides: dict[Side, list[CleanRow]] = {side: [] for side in _SIDES}
    for row in rows:
        sides[side_of(row.group, settings)].append(row)
    used = [row for row in sides["train"] if _share(_FRACTION_SALT + row.group) < settings.fraction]
    thinned = len(sides["train"]) - len(used)
    sides["train"] = used
    for side, present in sides.items():
        _check_side(side, present, labels)
    return Split(sides, thinned)


def find_labels(rows: Iterable[CleanRow], settings: DataSettings) -> tuple[str, ...]:
    """The labels in the order of the model's outputs: as the settings say, else those found, sorted.

    Whole numbers are sorted as numbers.

    Raises:
        LabelError: fewer than two, or one listed twice.
    """
    if settings.labels:
        if len(set(settings.labels)) < max(2, len(settings.labels)):
            raise LabelError(f"data.labels lists {', '.join(settings.labels)}: it needs at least two, each once.")
        return settings.labels
    found = sorted({row.label for row in rows})
    if len(found) < 2:
        raise LabelError(
            f"The rows have {f'only the label {found[0]}' if found else 'no label'}: a classifier needs at least two. "
            "Is data.label_column the right column?"
        )
    if all(label.isdecimal() for label in found):
        found.sort(key=int)
    return tuple(found)


def check_no_leak(splits: Mapping[str, LabelledRows]) -> None:
    """Makes sure that no text and no group stands on two sides.

    Texts count as the same when they are after normalisation.

    Raises:
        LeakageError: one does; the message names the rows.
    """
    texts = {name: [normalise(text) for text in rows.texts] for name, rows in splits.items()}
    _check_apart("text", splits, texts)
    _check_apart("group", splits, {name: rows.groups for name, rows in splits.items()})


def _check_apart(what: str, splits: Mapping[str, LabelledRows], values: Mapping[str, Sequence[str]]) -> None:
    first: dict[str, tuple[str, str]] = {}
    pairs = Places()
    for side, rows in splits.items():
        for row_id, value in zip(rows.ids, values[side], strict=True):
            other_side, other_id = first.setdefault(value, (side, row_id))
            if other_side != side:
                pairs.add(f"{other_id} ({other_side}) and {row_id} ({side})")
    if pairs.count:
        raise LeakageError(
            f"The same {what} stands on two sides of the split: {pairs}. Prepare the rows again with seatrial, which "
            "keeps them together."
        )


def _check_side(side: Side, rows: Sequence[CleanRow], labels: Sequence[str]) -> None:
    counts = Counter(row.label for row in rows)
    if not rows:
        raise DataError(
            f"No row falls on the {side} side: add rows or groups, or change data.validation_ratio, data.test_ratio "
            "or data.fraction."
        )
    if len(counts) < 2:
        raise LabelError(
            f"All rows of the {side} side have the label {next(iter(counts))} ({Places(row.place for row in rows)}): "
            "add rows with other labels, or enlarge that side."
        )
    absent = Places(label for label in labels if label not in counts)
    if side == "train" and absent.count:
        raise LabelError(f"No training row has the label {absent}: add such rows, or take the label out.")


def _share(name: str) -> float:
    """Where a name falls between 0 and 1: 53 bits of its sha256, as many as a float holds exactly."""
    return (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 11) / 2**53
