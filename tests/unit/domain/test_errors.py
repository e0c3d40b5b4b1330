"""The error tree: what the docstring draws is what the classes are."""

from __future__ import annotations

import inspect
import re

import pytest

from seatrial.domain import errors
from seatrial.domain.errors import MissingExtraError, OverloadedError, SeatrialError, UnreachableError


def drawn() -> dict[str, tuple[str | None, str]]:
    """Name of each drawn class, with the name of its parent and the words beside it."""
    lines = (errors.__doc__ or "").splitlines()
    branches = [match for line in lines if (match := re.fullmatch(r" {4}([│├└─ ]*)(\w+Error)\s*(.*)", line))]
    tree: dict[str, tuple[str | None, str]] = {}
    ancestors: list[str] = []
    for indent, name, words in (match.groups() for match in branches):
        del ancestors[len(indent) // 4 :]
        tree[name] = (ancestors[-1] if ancestors else None, words)
        ancestors.append(name)
    return tree


def defined() -> dict[str, type[SeatrialError]]:
    """The classes of the module."""
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, SeatrialError) and kind.__module__ == errors.__name__
    }


def test_the_drawing_is_the_hierarchy() -> None:
    hierarchy = {
        name: kind.__base__.__name__ if kind is not SeatrialError and kind.__base__ else None
        for name, kind in defined().items()
    }
    assert {name: parent for name, (parent, _) in drawn().items()} == hierarchy


def test_the_drawing_follows_the_file_line_by_line() -> None:
    """In the order of the definitions, so that the eye finds one from the other."""
    source = inspect.getsource(errors)
    assert list(drawn()) == re.findall(r"^class (\w+)\(", source, re.MULTILINE)


def test_the_exports_are_all_classes_sorted() -> None:
    assert errors.__all__ == sorted(defined())


@pytest.mark.parametrize("kind", defined().values())
def test_every_error_says_what_it_means(kind: type[SeatrialError]) -> None:
    assert (kind.__doc__ or "").endswith(".")
    words = drawn()[kind.__name__][1]
    assert words or kind is SeatrialError
    assert not issubclass(kind, ValueError | OSError)  # caught on purpose or not at all


def test_a_missing_extra_says_what_to_install() -> None:
    error = MissingExtraError("torch", "train")
    assert str(error) == "This step needs torch: install it with pip install 'seatrial[train]'."
    assert (error.package, error.extra) == ("torch", "train")


def test_overload_says_when_to_come_back() -> None:
    assert OverloadedError("Full: retry later.", 1.5).retry_after_s == 1.5


def test_one_except_catches_the_whole_tree() -> None:
    with pytest.raises(SeatrialError, match="start the server"):
        raise UnreachableError("It does not answer: start the server.")
