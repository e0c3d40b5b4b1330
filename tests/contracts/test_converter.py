"""What every converter keeps to, whatever it makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.bundle import TOKENIZER_FILE, Bundle, file_entries
from seatrial.config import ConversionSettings
from seatrial.conversion.converter import ONNX_FP32, ONNX_INT8, Converter, converter_for
from seatrial.domain.errors import ConversionError, ModelError, StorageFullError, UsageError
from seatrial.domain.model import Precision
from tests import builders
from tests.conversions import answers_of, converted, damaged, onnx_source, parity_rows
from tests.limits import file_size_limit

SETTINGS = ConversionSettings()
PARENTS: dict[str, Callable[[Path], Bundle]] = {
    "PyTorch > onnx-fp32": builders.source_bundle,
    "ONNX > onnx-fp32": onnx_source,
    "onnx-fp32 > onnx-int8": builders.onnx_bundle,
}


@pytest.fixture(scope="module", params=PARENTS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Converter, Bundle]:
    parent = PARENTS[request.param](tmp_path_factory.mktemp("parent") / "bundle")
    return converter_for(request.param.split(" > ")[1], SETTINGS), parent


@pytest.fixture
def converter(case: tuple[Converter, Bundle]) -> Converter:
    return case[0]


@pytest.fixture
def parent(case: tuple[Converter, Bundle]) -> Bundle:
    return case[1]


def test_it_writes_the_artifact_and_nothing_else(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    made = converted(converter, parent, tmp_path)
    assert set(made.manifest.files) == {"model.onnx", TOKENIZER_FILE}
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", TOKENIZER_FILE}
    parent.verify()


def test_what_it_makes_answers_as_the_parent_does(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    rows = parity_rows(parent, 100)
    answers = answers_of(converted(converter, parent, tmp_path), rows)
    assert (answers.argmax(axis=1) == rows.truth).all()


def test_the_same_parent_gives_the_same_bytes(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    first, second = (converted(converter, parent, tmp_path / name) for name in "ab")
    assert first.manifest.files == second.manifest.files


def test_options_and_lineage_can_be_stored(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    lineage = converted(converter, parent, tmp_path).manifest.lineage
    assert json.loads(json.dumps(lineage)) == dict(lineage)
    assert json.loads(json.dumps(dict(converter.options))) == dict(converter.options)
    assert lineage["opset"] == 17


def test_a_parent_that_cannot_be_read_is_refused(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    for path in parent.directory.iterdir():
        (tmp_path / path.name).write_text("This is text, no model.\n" * 100, "utf-8")
    (tmp_path / TOKENIZER_FILE).write_bytes(parent.tokenizer_path.read_bytes())
    garbage = Bundle(tmp_path, replace(parent.manifest, files=file_entries(tmp_path)))
    with pytest.raises(ModelError, match=r"again|Could not"):
        converted(converter, garbage, tmp_path / "made")


def test_a_full_disk_is_named_at_whatever_file_it_ends(converter: Converter, parent: Bundle, tmp_path: Path) -> None:
    needed = [len(path.read_bytes()) for path in parent.directory.iterdir()]
    for number, limit in enumerate({100, *(size - 1 for size in needed if size > 1000)}):
        with file_size_limit(limit), pytest.raises(StorageFullError, match="free some space"):
            converted(converter, parent, tmp_path / str(number))


def test_only_int8_starts_from_another_artifact() -> None:
    fp32, int8 = (converter_for(target, SETTINGS) for target in (ONNX_FP32, ONNX_INT8))
    assert (fp32.parent, fp32.precision) == (None, Precision.FP32)
    assert (int8.parent, int8.precision) == (ONNX_FP32, Precision.INT8)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UsageError, match="'onnx-fp64'"):
        converter_for("onnx-fp64", SETTINGS)


@pytest.mark.parametrize("target", [ONNX_FP32, ONNX_INT8])
def test_a_graph_with_a_fixed_batch_is_refused(target: str, tmp_path: Path) -> None:
    def fix_batch(model: object) -> None:
        for value in (*model.graph.input, *model.graph.output):  # type: ignore[attr-defined]
            value.type.tensor_type.shape.dim[0].dim_value = 1

    fixed = damaged(onnx_source(tmp_path / "source"), tmp_path / "fixed", fix_batch)
    with pytest.raises(ConversionError, match=r"\[-1, -1\] is expected|Could not|\[-1, 2\] is expected"):
        converted(converter_for(target, SETTINGS), fixed, tmp_path / "made")
