"""A small servable bundle: two files, so that tests need neither onnx nor torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import Bundle, write_bundle
from seatrial.domain.model import ArtifactFormat
from tests.builders import manifest


def fill(directory: Path) -> None:
    """The files of the bundle; one lies deeper, as weights beside a graph may."""
    (directory / "tokenizer.json").write_text("{}", "utf-8")
    (directory / "weights").mkdir()
    (directory / "weights" / "first.bin").write_bytes(bytes(range(256)))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of tiny@1/onnx-fp32 in a directory of its own."""
    return write_bundle(tmp_path / "bundles" / "one", manifest("onnx-fp32", ArtifactFormat.ONNX), fill)
