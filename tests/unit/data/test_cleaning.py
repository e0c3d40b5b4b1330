from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from seatrial.config import DataSettings
from seatrial.data.cleaning import Cleaned, clean, normalise, word
from seatrial.data.sources.source import RawRow
from seatrial.domain.errors import DataError, EmptyTextError, LabelError, SourceError


def raw(line: int, text: object, label: object = "good", group: object = None, domain: object = "") -> RawRow:
    return RawRow(f"line {line}", text, label, group, domain)


def cleaned(*rows: RawRow, **settings: object) -> Cleaned:
    return clean(rows, DataSettings.model_validate(settings))


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()


@settings(deadline=None)
@given(st.text(st.characters(categories=["Cc", "Cs"]) | st.characters(max_codepoint=0x250)))
def test_what_is_left_can_be_written_and_has_no_control_characters(text: str) -> None:
    kept = normalise(text)
    kept.encode()
    assert all(character.isprintable() or character == "\xad" for character in kept)


def test_composed_and_decomposed_forms_are_the_same() -> None:
    assert normalise("café\u2003 \n\x07ok\ufeff") == normalise("cafe\u0301 ok") == "café ok"
    assert normalise("half \ud83d of a pair") == "half of a pair"


@pytest.mark.parametrize("value", [None, math.nan, "", "  ", "nan", "NaN"])
def test_missing_values(value: object) -> None:
    assert word(value) == ""


@pytest.mark.parametrize("value", [0.5, math.inf, [1], {"a": 1}, b"good"])
def test_values_that_are_no_names(value: object) -> None:
    with pytest.raises(ValueError, match="neither text nor a whole number"):
        word(value)


def test_rows_are_normalised_and_sorted_by_identity() -> None:
    forth = cleaned(raw(1, " a  film "), raw(2, "bad\tplot", 0), raw(3, "fine", True, "u7", "film"))
    assert {(row.text, row.label, row.domain, row.place) for row in forth.rows} == {
        ("a film", "good", "", "line 1"),
        ("bad plot", "0", "", "line 2"),
        ("fine", "true", "film", "line 3"),
    }
    assert [row.id for row in forth.rows] == sorted(row.id for row in forth.rows)
    assert forth.read == 3
    assert forth.drops == ()


def test_a_row_without_a_group_is_its_own() -> None:
    one, two = cleaned(raw(1, "one"), raw(2, "two")).rows
    assert one.group != two.group
    assert one.group == one.id


def test_groups_may_be_numbers_or_dates() -> None:
    import datetime as dt

    rows = cleaned(raw(1, "one", group=7), raw(2, "two", group=dt.date(2026, 3, 1))).rows
    assert {row.group for row in rows} == {"7", "2026-03-01"}


def test_repeated_texts_are_dropped_whatever_their_order() -> None:
    rows = [raw(1, "same", group="b"), raw(2, "other", "bad"), raw(3, " same", group="a"), raw(4, "same ", group="c")]
    for order in (rows, rows[::-1]):
        result = cleaned(*order)
        assert {(row.text, row.group) for row in result.rows if row.text == "same"} == {("same", "a")}
        (drop,) = result.drops
        assert (drop.reason, drop.rows) == ("the same text with the same label is there already", 2)
        assert set(drop.examples) == {"line 1", "line 4"}


def test_contradictory_texts_are_dropped_altogether() -> None:
    result = cleaned(raw(1, "hm", "good"), raw(2, "ok"), raw(3, "hm ", "bad"), raw(4, "hm", "good"))
    assert [row.text for row in result.rows] == ["ok"]
    (drop,) = result.drops
    assert drop.rows == 3
    assert drop.examples == ("line 1", "line 3", "line 4")
    assert result.read == len(result.rows) + sum(drop.rows for drop in result.drops)


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\x00", "\u200e \u2009"])
def test_empty_texts_are_refused_by_row(text: str) -> None:
    with pytest.raises(EmptyTextError, match=r"empty in line 2, line 3: .*data\.empty_texts"):
        cleaned(raw(1, "ok"), raw(2, text), raw(3, text))


def test_empty_texts_are_dropped_and_counted_on_request() -> None:
    result = cleaned(raw(1, "ok"), raw(2, "", None), raw(3, "\u200b"), empty_texts="drop")
    assert [(drop.reason, drop.rows, drop.examples) for drop in result.drops] == [
        ("the text is empty", 2, ("line 2", "line 3"))
    ]


def test_texts_that_are_no_text_are_refused_by_row() -> None:
    with pytest.raises(SourceError, match=r"line 1, line 3: is data\.text_column"):
        cleaned(raw(1, 5), raw(2, "ok"), raw(3, b"bytes"))


@pytest.mark.parametrize("label", [None, math.nan, "", "nan"])
def test_missing_labels_are_refused_by_row(label: object) -> None:
    with pytest.raises(LabelError, match="missing in line 2, line 4: fill it in"):
        cleaned(raw(1, "a"), raw(2, "b", label), raw(3, "c"), raw(4, "d", label))


def test_labels_that_are_no_names_are_refused_by_row() -> None:
    with pytest.raises(LabelError, match=r"in line 2: is data\.label_column"):
        cleaned(raw(1, "a"), raw(2, "b", 0.37))


def test_labels_the_settings_do_not_list_are_refused_by_row() -> None:
    with pytest.raises(LabelError, match=r"none of good, bad in line 1, line 3: .*data\.labels"):
        cleaned(raw(1, "a", "great"), raw(2, "b", "bad"), raw(3, "c", "Good"), labels=("good", "bad"))


def test_missing_groups_are_refused_by_row() -> None:
    with pytest.raises(DataError, match="group is missing in line 2: fill it in"):
        cleaned(raw(1, "a", group="u1"), raw(2, "b", group=""))


def test_many_faulty_rows_are_counted_not_all_named() -> None:
    with pytest.raises(EmptyTextError, match="line 9, line 10 and 2,990 more: fill"):
        cleaned(*(raw(line, "") for line in range(1, 3001)))


def test_no_rows_at_all() -> None:
    with pytest.raises(DataError, match=r"no rows: check data\.source"):
        cleaned()
