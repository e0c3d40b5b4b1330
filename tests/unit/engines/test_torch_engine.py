"""What the PyTorch engine refuses at load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.bundle import Bundle, write_bundle
from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.model import ArtifactFormat, Signature
from seatrial.engines.loading import load_engine
from tests.builders import SIGNATURE, huggingface_files, manifest


def bundle_of(directory: Path, edit: Callable[[Path], object], signature: Signature = SIGNATURE) -> Bundle:
    def fill(where: Path) -> None:
        huggingface_files(where)
        edit(where)

    return write_bundle(
        directory, manifest("source", ArtifactFormat.HUGGINGFACE, findings=(), signature=signature), fill
    )


def without_head(where: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(where / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    save_file(kept, where / "model.safetensors", {"format": "pt"})


def test_an_encoder_without_its_head_is_refused_and_not_filled_with_random_numbers(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"lacks weights.*classifier"):
        load_engine(bundle_of(tmp_path / "bundle", without_head))


def test_weights_that_are_a_text_file_are_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda where: (where / "model.safetensors").write_text("no weights"))
    with pytest.raises(UnsupportedModelError, match="no sequence classifier"):
        load_engine(bundle)


def test_a_directory_without_configuration_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda where: (where / "config.json").unlink())
    with pytest.raises(UnsupportedModelError, match="no sequence classifier"):
        load_engine(bundle)


def test_another_number_of_labels_than_the_signature_is_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda _where: None, Signature(("a", "b", "c"), 64))
    with pytest.raises(UnsupportedModelError, match="3 labels"):
        load_engine(bundle)


def test_loading_shows_no_bars_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bundle = bundle_of(tmp_path / "bundle", lambda _where: None)
    capfd.readouterr()
    load_engine(bundle).close()
    assert capfd.readouterr() == ("", "")
