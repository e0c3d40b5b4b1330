"""Each kind of error is met by a test: raised where `pytest.raises` waits for it, or asserted by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from seatrial.domain import errors

TESTS = Path(__file__).parents[1]
_ERROR = re.compile(r"\b[A-Z]\w*Error\b")


def concrete() -> set[str]:
    """Names of the classes that nothing derives from: those that are raised."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    return {kind.__name__ for kind in kinds if not kind.__subclasses__()}


def met(source: str) -> set[str]:
    """Names of the errors that a test file waits for or asserts."""
    return {name for node in ast.walk(ast.parse(source)) for place in _claims(node) for name in _names(place)}


def _claims(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a test in which naming an error is a claim about it."""
    if isinstance(node, ast.Assert):
        yield node.test
    elif _is_raises(node):
        yield from node.args[:1]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_raises, ast.walk(node))):
        yield from node.decorator_list  # the kinds of a parametrised pytest.raises(kind)


def _is_raises(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises"


def _names(place: ast.AST) -> Iterator[str]:
    for node in ast.walk(place):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _ERROR.findall(node.value)


def test_every_concrete_error_is_met_by_a_test() -> None:
    found = set().union(*(met(path.read_text("utf-8")) for path in TESTS.rglob("*.py") if path.parent.name != "meta"))
    missing = sorted(concrete() - found)
    assert not missing, f"No test raises or asserts: {', '.join(missing)}."


def test_the_leaves_of_the_tree_are_concrete() -> None:
    assert {"UsageError", "BundleAlteredError", "StorageFullError"} <= concrete()
    assert not {"SeatrialError", "BundleError", "RequestError"} & concrete()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("with pytest.raises(SomeError): pass", {"SomeError"}),
        ("with pytest.raises((OneError, errors.TwoError), match='x'): pass", {"OneError", "TwoError", "errors"}),
        ("assert type(error) is SomeError", {"type", "error", "SomeError"}),
        ("assert 'SomeError: text' in output", {"SomeError", "output"}),
        ("from seatrial.domain.errors import SomeError", set()),
        ("raise SomeError", set()),
        ("SomeError('made, never raised')", set()),
        ("@pytest.mark.parametrize('e', [SomeError])\ndef test(e): pass", set()),
    ],
)
def test_what_counts_as_met(source: str, names: set[str]) -> None:
    assert met(source) == names


def test_parametrised_kinds_count_where_they_are_waited_for() -> None:
    source = "@pytest.mark.parametrize('e', [SomeError])\ndef test(e):\n    with pytest.raises(e): pass"
    assert "SomeError" in met(source)
