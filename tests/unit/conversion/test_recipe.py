from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seatrial.config import ConversionSettings
from seatrial.conversion import recipe
from seatrial.conversion.converter import converter_for
from seatrial.conversion.parity import ParityRows
from seatrial.conversion.recipe import recipe_sha256, tool_versions
from seatrial.domain.inference import TokenBatch

ROWS = ParityRows(TokenBatch.from_rows([[1, 2], [3]]), np.array([0, 1]), np.array([[1, 0], [0, 1]], np.float32))


def digest(parent: str = "0" * 64, target: str = "onnx-fp32", rows: ParityRows = ROWS, **settings: object) -> str:
    section = ConversionSettings.model_validate(settings)
    return recipe_sha256(parent, converter_for(target, section), rows, section)


def test_the_same_parts_give_the_same_recipe() -> None:
    assert digest() == digest()


def test_targets_that_are_made_beside_do_not_matter() -> None:
    assert digest(targets=("onnx-fp32",)) == digest()
    assert digest(reduce_range="on") == digest(reduce_range="off"), "fp32 has no weights of 7 bits"


def test_what_changes_the_artifact_or_its_findings_changes_the_recipe() -> None:
    other_tokens = replace(ROWS, tokens=TokenBatch.from_rows([[1], [2, 3]]))
    other_logits = replace(ROWS, source_logits=np.array([[1, 0], [0, 1.5]], np.float32))
    digests = [
        digest(),
        digest(parent="1" * 64),
        digest(target="onnx-int8", reduce_range="on"),
        digest(target="onnx-int8", reduce_range="off"),
        digest(profile="portable"),
        digest(flip_rate_limit=0.01),
        digest(seed=1),
        digest(rows=other_tokens),
        digest(rows=other_logits),
        digest(rows=replace(ROWS, truth=np.array([1, 1]))),
    ]
    assert len(set(digests)) == len(digests)


def test_other_tools_or_code_make_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    monkeypatch.setattr(recipe, "tool_versions", lambda: {"onnx": "0"})
    other_tools = digest()
    monkeypatch.setattr(recipe, "_code_sha256", lambda: "other")
    assert len({before, other_tools, digest()}) == 3


def test_tools_that_are_not_installed_have_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "TOOLS", ("numpy", "no-such-tool"))
    assert list(tool_versions()) == ["numpy"]
