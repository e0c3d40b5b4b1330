from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from seatrial.flows.extras import EXTRAS, missing_extra

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_the_table_is_that_of_the_installation() -> None:
    """Every requirement of an extra is in the table, by the name it is imported under, and nothing else is."""
    declared = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    modules: dict[str, set[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(distribution.lower().replace("_", "-"), set()).add(module)
    for extra, known in EXTRAS.items():
        required = {re.split(r"[\[<>=]", line)[0] for line in declared[extra]} - {"seatrial"}
        found = {module for name in required for module in modules[name] & set(known)}
        assert found == set(known), extra
        assert len(known) == len(required), extra


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("sqlalchemy", "control"),
        ("pyarrow.parquet", "control"),
        ("mlflow", "registry"),
        ("sklearn", "train"),
        ("torch", "train"),
        ("onnx.helper", "convert"),
    ],
)
def test_a_package_leads_to_its_extra(module: str, extra: str) -> None:
    error = missing_extra(ModuleNotFoundError(name=module))
    assert error is not None
    assert error.extra == extra


@pytest.mark.parametrize("module", ["somebodys_module", "seatrial.nowhere", "", None])
def test_any_other_module_leads_nowhere(module: str | None) -> None:
    assert missing_extra(ModuleNotFoundError(name=module)) is None
