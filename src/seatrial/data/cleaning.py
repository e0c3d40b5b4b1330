"""From raw rows to clean ones: every text readable and there once, every label known, every loss counted."""

from __future__ import annotations

import enum
import hashlib
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.config import DataSettings
from seatrial.data.sources.source import RawRow
from seatrial.domain.errors import DataError, EmptyTextError, LabelError, SourceError

__all__ = ["CleanRow", "Cleaned", "Drop", "Places", "clean", "normalise", "word"]

_PLACES_NAMED = 10
# Control characters that are no white space, halves of surrogate pairs, and byte order marks: never part of a text.
_UNWANTED = dict.fromkeys(
    code for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFEFF) if not chr(code).isspace()
)
# Format characters and spaces of every kind: a text of nothing else shows nothing.
_INVISIBLE = frozenset({"Cf", "Zl", "Zp", "Zs"})


@dataclass(frozen=True, slots=True)
class CleanRow:
    """A row whose text is normalised and whose label has a name; `place` is where its source has it."""

    id: str
    text: str
    label: str
    group: str
    domain: str
    place: str


class Places:
    """Where the rows with one fault stand: the first few by name, the others by number.

    Example:
        >>> str(Places(f"line {number}" for number in range(1, 13)))
        'line 1, line 2, line 3, line 4, line 5, line 6, line 7, line 8, line 9, line 10 and 2 more'
    """

    def __init__(self, places: Iterable[str] = ()) -> None:
        self.count = 0
        self.named: list[str] = []
        for place in places:
            self.add(place)

    def add(self, place: str) -> None:
        """Notes one more row."""
        self.count += 1
        if len(self.named) < _PLACES_NAMED:
            self.named.append(place)

    def __str__(self) -> str:
        others = self.count - len(self.named)
        return ", ".join(self.named) + (f" and {others:,} more" if others else "")


@dataclass(frozen=True, slots=True)
class Drop:
    """Rows that were left out for one reason."""

    reason: str
    rows: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What cleaning made of a source.

    Attributes:
        rows: sorted by id, so that the order of the source does not matter.
        read: rows the source had.
        drops: what was left out and why; `read` less their rows is the number kept.
    """

    rows: tuple[CleanRow, ...]
    read: int
    drops: tuple[Drop, ...]


def normalise(text: str) -> str:
    r"""The text in Unicode's composed form, without control characters, with single spaces and none at the ends.

    Source: Unicode Standard Annex 15, normalisation form C.

    Example:
        >>> normalise("  Cafe\u0301\tau \x00lait ")
        'Café au lait'
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_UNWANTED)).split())


def word(value: object) -> str:
    """A label, group or domain as a name; empty where the value is missing.

    Missing are None, NaN, blank text and the text ``nan``, which is what NaN becomes in a CSV file.

    Raises:
        ValueError: the value is neither text nor a whole number.

    Example:
        >>> word(1.0), word(" good "), word(None), word(True)
        ('1', 'good', '', 'true')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, str):
        name = normalise(value)
        return "" if name.lower() == "nan" else name
    raise ValueError(f"{value!r} is neither text nor a whole number")


def clean(rows: Iterable[RawRow], settings: DataSettings) -> Cleaned:
    """Normalises every row, drops repeated and contradictory texts, and refuses what cannot be used.

    A text that occurs with two labels is dropped altogether: nobody knows which is right. Of a repeated text the
    row with the smallest group, domain and id stays, so that the order of the source does not matter.

    Raises:
        SourceError: texts that are no text.
        LabelError: missing labels, or labels that `data.labels` does not list.
        EmptyTextError: empty texts, unless `data.empty_texts` says to drop them.
        DataError: missing groups, or no rows at all.
    """
    reading = _Reading(settings)
    for row in rows:
        reading.add(row)
    reading.refuse_faults()
    kept, repeated, contradictory = _one_row_a_text(reading.rows)
    reasons = {
        "the text is empty": reading.faults[_Fault.EMPTY],
        "the same text with the same label is there already": repeated,
        "the same text is there with another label": contradictory,
    }
    drops = tuple(Drop(reason, places.count, tuple(places.named)) for reason, places in reasons.items() if places.count)
    return Cleaned(tuple(sorted(kept, key=lambda row: row.id)), reading.read, drops)


class _Fault(enum.Enum):
    """What can be wrong with a row, gravest first: the error it raises, and what to do."""

    NOT_TEXT = SourceError, "The text is not text in {places}: is data.text_column the right column?"
    NO_LABEL = LabelError, "The label is missing in {places}: fill it in or remove the rows."
    ODD_LABEL = (
        LabelError,
        "The label is neither a name nor a whole number in {places}: is data.label_column the right column?",
    )
    UNKNOWN_LABEL = (
        LabelError,
        "The label is none of {labels} in {places}: correct the rows, or list the label in data.labels.",
    )
    NO_GROUP = (
        DataError,
        "The group is missing in {places}: fill it in, or set no data.group_column if rows are unrelated.",
    )
    EMPTY = (
        EmptyTextError,
        'The text is empty in {places}: fill it in, or set data.empty_texts = "drop" to leave such rows out.',
    )


class _Reading:
    """Rows read so far, and the places of every fault, so that one error names them all."""

    def __init__(self, settings: DataSettings) -> None:
        self._settings = settings
        self.read = 0
        self.rows: list[CleanRow] = []
        self.faults = {fault: Places() for fault in _Fault}

    def add(self, raw: RawRow) -> None:
        """Takes the row, or notes the first thing that is wrong with it."""
        self.read += 1
        row = self._cleaned(raw)
        if isinstance(row, _Fault):
            self.faults[row].add(raw.place)
        else:
            self.rows.append(row)

    def refuse_faults(self) -> None:
        """Raises the error of the gravest fault there is; see `clean`."""
        if not self.read:
            raise DataError("The source has no rows: check data.source.")
        for fault, places in self.faults.items():
            if places.count and not (fault is _Fault.EMPTY and self._settings.empty_texts == "drop"):
                error, message = fault.value
                raise error(message.format(places=places, labels=", ".join(self._settings.labels)))

    def _cleaned(self, raw: RawRow) -> CleanRow | _Fault:
        if not isinstance(raw.text, str):
            return _Fault.NOT_TEXT
        text = normalise(raw.text)
        if all(unicodedata.category(character) in _INVISIBLE for character in text):
            return _Fault.EMPTY
        try:
            label = word(raw.label)
        except ValueError:
            return _Fault.ODD_LABEL
        if not label:
            return _Fault.NO_LABEL
        if self._settings.labels and label not in self._settings.labels:
            return _Fault.UNKNOWN_LABEL
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
        group = identity if raw.group is None else _any_word(raw.group)
        if not group:
            return _Fault.NO_GROUP
        return CleanRow(raw.id or identity, text, label, group, _any_word(raw.domain), raw.place)


def _any_word(value: object) -> str:
    """A group or domain as a name; unlike labels they may be of any type, dates for example."""
    try:
        return word(value)
    except ValueError:
        return normalise(str(value))


def _one_row_a_text(rows: Iterable[CleanRow]) -> tuple[list[CleanRow], Places, Places]:
    """The rows that stay, and the places of repeated and of contradictory ones."""
    by_text: defaultdict[str, list[CleanRow]] = defaultdict(list)
    for row in rows:
        by_text[row.text].append(row)
    kept: list[CleanRow] = []
    repeated, contradictory = Places(), Places()
    for same in by_text.values():
        if len({row.label for row in same}) > 1:
            for row in same:
                contradictory.add(row.place)
            continue
        first, *others = sorted(same, key=lambda row: (row.group, row.domain, row.id))
        kept.append(first)
        for row in others:
            repeated.add(row.place)
    return kept, repeated, contradictory
