"""Names of models and versions: what can be one and what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import UsageError
from seatrial.domain.naming import ALIASES, Alias, VersionRef, check_model_name


@pytest.mark.parametrize("name", ["m", "bert-sentiment", "BERT_2.1", "9lives", "a" * 100, "a.b-c_d"])
def test_names_a_model_can_have(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "-a",
        ".a",
        "_a",
        "a/b",
        "../a",
        "a..b",
        "a" * 101,
        "bert@1",
        "é",
        "负面",
        "a\n",
        "a\0",
        "a\\b",
        "a:b",
    ],
)
def test_names_a_model_cannot_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a model name: use letters, digits"):
        check_model_name(name)


@pytest.mark.parametrize(
    ("text", "name", "selector"),
    [
        ("m@7", "m", 7),
        ("m@999999999999999999", "m", 10**18 - 1),
        ("m", "m", "production"),
        *((f"m@{alias}", "m", alias.value) for alias in Alias),
    ],
)
def test_what_names_a_version(text: str, name: str, selector: int | str) -> None:
    ref = VersionRef.parse(text)
    assert ref == VersionRef(name, selector)
    assert type(ref.selector) is type(selector)
    assert str(ref) == (text if "@" in text else f"{text}@production")
    assert VersionRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@7",
        "m@",
        "m@0",
        "m@-1",
        "m@1.5",
        "m@+1",
        "m@07",
        "m@ 7",
        "m@7 ",
        "m@v7",
        "m@latest",
        "m@Production",
        "m@7@8",
        "m@٣",
        "m@²",
        "a b@1",
        "m@" + "9" * 19,
        "m@" + "9" * 5000,
    ],
)
def test_what_names_no_version(text: str) -> None:
    with pytest.raises(UsageError):
        VersionRef.parse(text)


def test_a_refused_selector_is_told_what_can_stand_there() -> None:
    with pytest.raises(UsageError, match="write m@NUMBER or m@ALIAS with one of candidate, staging, production, prev"):
        VersionRef.parse("m@latest")


@given(st.text() | st.from_regex(r"[a-z]{1,3}@[0-9a-z]{0,3}", fullmatch=True))
def test_any_text_is_a_version_or_a_usage_error(text: str) -> None:
    try:
        ref = VersionRef.parse(text)
    except UsageError:
        return
    assert VersionRef.parse(str(ref)) == ref
    assert ref.selector in ALIASES or int(ref.selector) > 0
