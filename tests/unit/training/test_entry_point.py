from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.config import TrainingSettings
from seatrial.domain.errors import ConfigError, StorageFullError, TrainingError
from seatrial.training.entry_point import EntryPoint
from seatrial.training.trained_model import TrainedModel
from tests import builders

DATASET = builders.dataset(train=8, validation=4, test=4)
WORKING = """
from pathlib import Path
from seatrial.training.trained_model import TrainedModel
from tests import builders

def train(dataset, work_dir, settings, progress):
    assert len(dataset.train) == 8
    with progress.step("mine", total=1) as step:
        builders.huggingface_files(work_dir / "mine", seed=settings.seed)
        step.advance()
    return RESULT
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes a project's own trainer, importable as `mine`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_module(source: str) -> None:
        (tmp_path / "mine.py").write_text(source, "utf-8")

    yield write_module
    sys.modules.pop("mine", None)


def _train(tmp_path: Path, entry_point: str = "mine:train") -> TrainedModel:
    return EntryPoint(TrainingSettings(entry_point=entry_point, seed=5)).train(DATASET, tmp_path / "work")


@pytest.mark.parametrize("result", ['work_dir / "mine"', 'str(work_dir / "mine")'])
def test_a_directory_is_enough(write: Callable[[str], None], tmp_path: Path, result: str) -> None:
    write(WORKING.replace("RESULT", result))
    trained = _train(tmp_path)
    assert trained.labels == builders.LABELS
    assert trained.max_tokens == builders.MAX_TOKENS
    assert (trained.directory / "model.safetensors").is_file()


def test_a_trained_model_brings_its_figures(write: Callable[[str], None], tmp_path: Path) -> None:
    write(WORKING.replace("RESULT", "TrainedModel(work_dir / 'mine', dataset.labels, 32, 0, {'f1': 1}, {'depth': 2})"))
    trained = _train(tmp_path)
    assert trained.max_tokens == 32
    assert trained.metrics == {"f1": 1.0}
    assert trained.parameters == {"depth": "2"}


def test_an_onnx_graph_is_a_model_too(write: Callable[[str], None], tmp_path: Path) -> None:
    write("""
from tests import builders

def train(dataset, work_dir, settings, progress):
    builders.onnx_graph(work_dir / "model.onnx")
    (work_dir / "tokenizer.json").write_text(builders.tokenizer_json())
    (work_dir / "tokenizer_config.json").write_text('{"model_max_length": 64}')
    return work_dir
""")
    (tmp_path / "work").mkdir()
    assert _train(tmp_path).format.value == "onnx"


@pytest.mark.parametrize("spec", ["mine", "mine:", ":train", "mine:train()", "a b:train", "mine:a.b:c"])
def test_a_setting_that_names_no_function(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"write package\.module:function"):
        EntryPoint(TrainingSettings(entry_point=spec))


def test_code_revision_follows_the_code(write: Callable[[str], None]) -> None:
    trainer = EntryPoint(TrainingSettings(entry_point="mine:train"))
    write("a = 1")
    first = trainer.code_revision
    write("a = 2")
    assert first.startswith("mine:train (")
    assert trainer.code_revision != first


@pytest.mark.parametrize("module", ["absent_module", "absent_package.module"])
def test_a_module_that_is_not_there(module: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no module"):
        _train(tmp_path, f"{module}:train")
    with pytest.raises(ConfigError, match="there is no module"):
        _ = EntryPoint(TrainingSettings(entry_point=f"{module}:train")).code_revision


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import absent_library", "imports absent_library, which is not installed"),
        ("def train(:", "importing mine failed with SyntaxError"),
        ("1 / 0", "importing mine failed with ZeroDivisionError"),
        ("other = 1", "has no function 'train'"),
        ("train = 1", "has no function 'train'"),
        ("def train(dataset): pass", r"called as train\(dataset, work_dir, settings, progress\)"),
    ],
)
def test_a_module_that_cannot_be_used(write: Callable[[str], None], tmp_path: Path, source: str, message: str) -> None:
    write(source)
    with pytest.raises(ConfigError, match=message):
        _train(tmp_path)


def test_a_function_that_fails_is_named_with_its_fault(write: Callable[[str], None], tmp_path: Path) -> None:
    write("def train(dataset, work_dir, settings, progress): raise KeyError('learning')")
    with pytest.raises(TrainingError, match="mine:train failed with KeyError: 'learning'") as caught:
        _train(tmp_path)
    assert isinstance(caught.value.__cause__, KeyError)


def test_our_own_errors_pass_through(write: Callable[[str], None], tmp_path: Path) -> None:
    write("""
from seatrial.domain.errors import StorageFullError
def train(*arguments): raise StorageFullError("No room.")
""")
    with pytest.raises(StorageFullError):
        _train(tmp_path)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("None", "returned NoneType: return the model's directory"),
        ("3", "returned int"),
        ("work_dir / 'absent'", "cannot be used: There is nothing at"),
        ("work_dir", "in no layout"),
        ("TrainedModel(work_dir / 'mine', ('positive', 'negative'), 32)", "its labels are"),
        ("TrainedModel(work_dir / 'mine', dataset.labels, 65)", "more than the 64 tokens"),
        ("TrainedModel(work_dir / 'mine', dataset.labels, 32, 0, {'f1': float('nan')})", "metric 'f1'"),
        ("TrainedModel(work_dir / 'mine', dataset.labels, 32, 0, {'f1': 'high'})", "metric 'f1'"),
    ],
)
def test_a_result_that_is_no_model_of_the_dataset(
    write: Callable[[str], None], tmp_path: Path, result: str, message: str
) -> None:
    write(WORKING.replace("RESULT", result))
    with pytest.raises(TrainingError, match=message):
        _train(tmp_path)


def test_a_model_whose_outputs_are_the_labels_in_another_order(write: Callable[[str], None], tmp_path: Path) -> None:
    write("""
import json
from tests import builders

def train(dataset, work_dir, settings, progress):
    builders.huggingface_files(work_dir)
    config = json.loads((work_dir / "config.json").read_text())
    config["id2label"] = {"0": "positive", "1": "negative"}
    (work_dir / "config.json").write_text(json.dumps(config))
    return work_dir
""")
    (tmp_path / "work").mkdir()
    with pytest.raises(TrainingError, match="in the order positive, negative"):
        _train(tmp_path)
