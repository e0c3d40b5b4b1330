"""Each module says in `__all__` what it gives: sorted, complete, and nothing that is not there."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from seatrial.domain import evidence
from tests.meta.modules import modules


def faults(module: ModuleType) -> list[str]:
    """What is wrong with the module's `__all__`."""
    if "__all__" not in vars(module):
        # A charter gives nothing, and a command of the line is called by its decorator.
        needless = hasattr(module, "__path__") or module.__name__.startswith("seatrial.cli.")
        return [] if needless else ["has no __all__"]
    exported = list(module.__all__)
    found = [f"has no {name}" for name in exported if not hasattr(module, name)]
    if exported != sorted(exported, key=_place):
        found.append(f"is not sorted: {sorted(exported, key=_place)}")
    if len(set(exported)) != len(exported):
        found.append("names something twice")
    return found + [f"leaves out {name}" for name in _defined(module) if name not in exported]


def _place(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, each by name: the order that the linter keeps."""
    constant = name.isupper() and len(name) > 1
    return (0 if constant else 1 if name[0].isupper() else 2, name)


def _defined(module: ModuleType) -> list[str]:
    """Public classes and functions that the module itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not module.__name__.startswith("seatrial.cli.")
    ]


def test_every_module_says_what_it_gives() -> None:
    found = {module.__name__: wrong for module in modules() if (wrong := faults(module))}
    assert not found


def test_there_are_modules_to_look_at() -> None:
    names = {module.__name__ for module in modules()}
    assert {"seatrial", "seatrial.domain.evidence", "seatrial.bundle.index"} <= names


def module_with(source: str) -> ModuleType:
    """A module made of a text."""
    module = ModuleType("seatrial.made.up")
    exec(source, vars(module))
    return module


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("", "has no __all__"),
        ("__all__ = ['absent']", "has no absent"),
        ("__all__ = ['b', 'a']\na = b = 1", "is not sorted"),
        ("__all__ = ['a', 'B', 'C_C']\na = B = C_C = 1", "is not sorted"),
        ("__all__ = ['a', 'a']\na = 1", "names something twice"),
        ("__all__ = []\ndef forgotten(): pass", "leaves out forgotten"),
        ("__all__ = []\nclass Forgotten: pass", "leaves out Forgotten"),
    ],
)
def test_a_fault_is_found(source: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(module_with(source)))


def test_a_good_module_has_no_fault() -> None:
    assert faults(evidence) == []
    assert faults(module_with("__all__ = ['C_C', 'B', 'a']\nimport os\nC_C = 1\nclass B: pass\ndef a(): pass")) == []
