from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.domain.errors import StorageFullError, UnknownModelError
from seatrial.domain.model import Alias, Stage
from seatrial.registry.memory_registry import MemoryRegistry
from tests.builders import SIGNATURE
from tests.limits import file_size_limit
from tests.mlflow_stores import file_bundle, lineage


def test_a_full_disk_leaves_no_version(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path / "registry")
    bundle = file_bundle(tmp_path / "bundle", "x" * 100_000)
    with file_size_limit(50_000), pytest.raises(StorageFullError, match="free some space"):
        registry.create_version("tiny", SIGNATURE, lineage(), bundle.directory)
    with pytest.raises(UnknownModelError):
        registry.list_versions("tiny")
    assert [path for path in (tmp_path / "registry").rglob("*") if path.is_file()] == []


def test_a_full_disk_leaves_the_bundle_that_was_there(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path / "registry")
    version = registry.create_version("tiny", SIGNATURE, lineage(), file_bundle(tmp_path / "source").directory)
    registry.add_bundle(version, file_bundle(tmp_path / "old", "old", version=1, name="onnx-fp32").directory)
    new = file_bundle(tmp_path / "new", "x" * 100_000, version=1, name="onnx-fp32")
    with file_size_limit(50_000), pytest.raises(StorageFullError):
        registry.add_bundle(version, new.directory)
    fetched = registry.fetch_bundle(version, "onnx-fp32", tmp_path / "fetched")
    assert (fetched / "weights.bin").read_text() == "old"


def test_what_it_hands_out_is_a_copy(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path / "registry")
    registry.create_version("tiny", SIGNATURE, lineage(), file_bundle(tmp_path / "source").directory)
    registry.set_alias("tiny", Alias.CANDIDATE, 1)
    aliases, stages = registry.aliases("tiny"), registry.stages("tiny")
    assert isinstance(aliases, dict)
    assert isinstance(stages, dict)
    aliases.clear()
    stages.clear()
    assert registry.aliases("tiny") == {Alias.CANDIDATE: 1}
    assert registry.stages("tiny") == {1: Stage.NONE}
