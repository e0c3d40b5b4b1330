from __future__ import annotations

import json
import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from seatrial.data.profile import build_profile, category_feature, dominant_script, number_feature, text_numbers
from tests.builders import LABELS, rows


def test_every_row_falls_into_one_bin_of_every_feature() -> None:
    profile = build_profile(rows(200), LABELS)
    assert json.loads(json.dumps(profile)) == profile
    assert profile["rows"] == 200
    assert [feature["name"] for feature in profile["features"]] == [
        "characters", "words", "characters_per_word", "non_alphabetic_ratio", "script", "label", "domain",
    ]  # fmt: skip
    for feature in profile["features"]:
        assert sum(feature["counts"]) == 200
        bins = len(feature["edges"]) + 2 if feature["kind"] == "number" else len(feature["categories"]) + 2
        assert len(feature["counts"]) == bins


def test_labels_and_domains_are_counted_by_name() -> None:
    reference = rows(100)
    features = {feature["name"]: feature for feature in build_profile(reference, LABELS)["features"]}
    positive = int(np.sum(reference.labels))
    assert features["label"]["categories"] == list(LABELS)
    assert features["label"]["counts"] == [100 - positive, positive, 0, 0]
    assert features["domain"]["counts"] == [50, 50, 0, 0]


def test_rows_without_a_domain_are_missing_one() -> None:
    profile = build_profile(replace(rows(10), domains=("",) * 10), LABELS)
    assert profile["features"][-1] == {"name": "domain", "kind": "category", "categories": [], "counts": [0, 10]}


def test_texts_are_normalised_first_as_live_ones_will_be() -> None:
    one = rows(50)
    spaced = replace(one, texts=tuple(f"  {text.replace(' ', chr(10) * 3)} " for text in one.texts))
    assert build_profile(spaced, LABELS) == build_profile(one, LABELS)


@settings(deadline=None)
@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=200))
def test_bins_follow_the_deciles(values: list[float]) -> None:
    feature = number_feature("x", values)
    present = np.array([value for value in values if not math.isnan(value)])
    edges = np.array(feature["edges"])
    assert len(edges) <= 9
    assert np.all(np.diff(edges) > 0)
    expected = [sum(int((edges <= value).sum()) == bin_ for value in present) for bin_ in range(len(edges) + 1)]
    assert feature["counts"] == [*expected, len(values) - len(present)]


def test_a_constant_has_one_edge_and_live_values_below_it_a_bin() -> None:
    feature = number_feature("x", [3.0] * 10)
    assert (feature["edges"], feature["counts"]) == ([3.0], [0, 10, 0])


def test_a_category_called_other_is_not_the_bin_for_unseen_ones() -> None:
    feature = category_feature("domain", ["other", "missing", "other"])
    assert feature["categories"] == ["missing", "other"]
    assert feature["counts"] == [1, 2, 0, 0]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Ça va", "latin"),
        ("Всё ok", "cyrillic"),
        ("ありがとう", "hiragana"),
        ("سلام", "arabic"),
        ("😀 !!", "none"),
        ("", "none"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert dominant_script(text) == script


def test_numbers_of_an_empty_text_are_missing_where_nothing_can_be_divided() -> None:
    numbers = text_numbers("")
    assert numbers["characters"] == 0
    assert math.isnan(numbers["characters_per_word"])
    assert math.isnan(numbers["non_alphabetic_ratio"])
