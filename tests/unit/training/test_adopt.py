from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from seatrial.bundle import TOKENIZER_FILE, Bundle
from seatrial.domain.errors import MissingExtraError, StorageFullError, UnsupportedModelError, UsageError
from seatrial.domain.model import ArtifactFormat, Lineage, Precision
from seatrial.training.adopt import Declared, adopt
from seatrial.training.huggingface import quiet
from tests import builders
from tests.limits import file_size_limit

Adopt = Callable[..., Bundle]
WEIGHTS = "model.safetensors"


@pytest.fixture
def take(tmp_path: Path) -> Adopt:
    """Adopts what lies at a path, and checks that a refusal leaves nothing behind."""

    def run(path: Path | str, **declared: Any) -> Bundle:
        destination = tmp_path / "bundles" / "adopted"
        try:
            return adopt(str(path), model_name="tiny", destination=destination, declared=Declared(**declared))
        except Exception:
            assert list(destination.parent.iterdir()) == []
            raise

    return run


def _configure(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def _logits(directory: Path) -> torch.Tensor:
    with quiet(), torch.inference_mode():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(directory)
        return model(input_ids=torch.tensor([[2, 5, 6, 3]])).logits


class TestHuggingFaceDirectory:
    def test_it_becomes_a_source_bundle_with_the_same_answers(self, take: Adopt, tiny_directory: Path) -> None:
        bundle = take(tiny_directory)
        bundle.verify()
        manifest = bundle.manifest
        assert manifest.artifact.format is ArtifactFormat.HUGGINGFACE
        assert (manifest.artifact.name, manifest.version, manifest.findings) == ("source", None, ())
        assert manifest.signature == builders.SIGNATURE
        assert Lineage(key="k", **manifest.lineage).origin == f"adopted from {tiny_directory}"
        assert torch.equal(_logits(bundle.directory), _logits(tiny_directory))

    def test_the_same_model_gives_the_same_artifact(self, take: Adopt, tiny_directory: Path, copied: Path) -> None:
        assert take(tiny_directory).manifest.artifact == take(copied).manifest.artifact

    def test_declared_labels_replace_generic_ones(self, take: Adopt, copied: Path) -> None:
        _configure(copied, id2label={"0": "LABEL_0", "1": "LABEL_1"}, label2id={"LABEL_0": 0, "LABEL_1": 1})
        assert take(copied).manifest.signature.labels == ("LABEL_0", "LABEL_1")
        bundle = take(copied, labels=("bad", "good"), max_tokens=16)
        assert bundle.manifest.signature.labels == ("bad", "good")
        assert bundle.manifest.signature.max_tokens == 16
        config = transformers.AutoConfig.from_pretrained(bundle.directory)
        assert config.id2label == {0: "bad", 1: "good"}

    def test_weights_in_a_pickle_of_tensors_are_taken_as_safetensors(self, take: Adopt, copied: Path) -> None:
        before = take(copied).manifest.artifact.sha256
        torch.save(load_file(copied / WEIGHTS), copied / "pytorch_model.bin")
        (copied / WEIGHTS).unlink()
        bundle = take(copied)
        assert bundle.manifest.artifact.sha256 == before
        assert "pytorch_model.bin" not in bundle.manifest.files

    def test_a_pickle_that_holds_code_is_refused_and_not_run(self, take: Adopt, copied: Path, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str, int]]:
                return os.mkdir, (str(tmp_path / "sprung"), 0o755)

        (copied / WEIGHTS).unlink()
        torch.save({"classifier.weight": Trap()}, copied / "pytorch_model.bin")
        with pytest.raises(UnsupportedModelError, match="could run code"):
            take(copied)
        assert not (tmp_path / "sprung").exists()

    def test_positions_that_belong_to_padding_are_not_counted(self, take: Adopt, copied: Path) -> None:
        config = transformers.RobertaConfig(
            vocab_size=len(builders.VOCABULARY),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=34,
            pad_token_id=1,
        )
        (copied / WEIGHTS).unlink()
        with quiet():
            transformers.RobertaForSequenceClassification(config).save_pretrained(copied)
        manifest = take(copied).manifest
        assert manifest.signature.max_tokens == 32
        assert manifest.pad_token_id == 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"model_type": "zork"}, "cannot be opened as a sequence classifier"),
            ({"model_type": "whisper"}, "cannot be opened as a sequence classifier"),
            ({"model_type": "zork", "auto_map": {"AutoConfig": "a.B"}}, "custom code"),
            ({"hidden_size": "wide"}, "cannot be opened"),
            ({"hidden_size": 64}, "cannot be opened"),
            ({"num_hidden_layers": 3}, "lacks 16 weights"),
            ({"id2label": {"0": "score"}}, "cannot be opened"),
            ({"problem_type": "multi_label_classification"}, "single label"),
        ],
    )
    def test_a_configuration_that_does_not_fit(
        self, take: Adopt, copied: Path, change: dict[str, object], message: str
    ) -> None:
        _configure(copied, **change)
        with pytest.raises(UnsupportedModelError, match=message):
            take(copied)

    def test_an_encoder_without_a_head_is_no_classifier(self, take: Adopt, encoder_directory: Path) -> None:
        with pytest.raises(UnsupportedModelError, match=r"training\.base_model"):
            take(encoder_directory)

    @pytest.mark.parametrize("content", [b"", b"this is text", b"\x00" * 100])
    def test_weights_that_are_none(self, take: Adopt, copied: Path, content: bytes) -> None:
        (copied / WEIGHTS).write_bytes(content)
        with pytest.raises(UnsupportedModelError, match="cannot be opened"):
            take(copied)

    def test_truncated_weights(self, take: Adopt, copied: Path) -> None:
        (copied / WEIGHTS).write_bytes((copied / WEIGHTS).read_bytes()[:-1])
        with pytest.raises(UnsupportedModelError, match="cannot be opened"):
            take(copied)

    def test_weights_that_are_not_finite(self, take: Adopt, copied: Path) -> None:
        weights = load_file(copied / WEIGHTS)
        weights["classifier.bias"][0] = torch.nan
        save_file(weights, copied / WEIGHTS, {"format": "pt"})
        with pytest.raises(UnsupportedModelError, match="not finite"):
            take(copied)

    def test_without_a_tokenizer_it_cannot_read(self, take: Adopt, copied: Path) -> None:
        (copied / TOKENIZER_FILE).unlink()
        with pytest.raises(UnsupportedModelError, match=r"no tokenizer\.json"):
            take(copied)

    def test_the_tokenizer_of_another_model_is_refused(self, take: Adopt, copied: Path) -> None:
        document = json.loads((copied / TOKENIZER_FILE).read_text("utf-8"))
        document["model"]["vocab"]["beyond"] = len(builders.VOCABULARY)
        (copied / TOKENIZER_FILE).write_text(json.dumps(document), "utf-8")
        with pytest.raises(UnsupportedModelError, match="do not belong together"):
            take(copied)

    def test_a_full_disk(self, tiny_directory: Path, tmp_path: Path) -> None:
        with file_size_limit(20_000), pytest.raises(StorageFullError):
            adopt(str(tiny_directory), model_name="tiny", destination=tmp_path / "new" / "bundle")
        assert list((tmp_path / "new").iterdir()) == []

    def test_torch_must_be_installed(self, take: Adopt, tiny_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "transformers.utils", None)
        with pytest.raises(MissingExtraError, match=r"seatrial\[train\]"):
            take(tiny_directory)


class TestMlflowModel:
    @pytest.mark.parametrize("uri", ["models:/tiny/1", "runs:/0123/model", "mlflow-artifacts:/1/a"])
    def test_its_files_are_fetched_and_recognised(self, tiny_directory: Path, tmp_path: Path, uri: str) -> None:
        asked = []

        def fetch(name: str) -> Path:
            asked.append(name)
            shutil.copytree(tiny_directory, tmp_path / "fetched" / "model")
            tokenizer = tmp_path / "fetched" / "components" / "tokenizer"
            tokenizer.mkdir(parents=True)
            for file in (tmp_path / "fetched" / "model").glob("tokenizer*"):
                file.rename(tokenizer / file.name)
            (tmp_path / "fetched" / "MLmodel").write_text("flavors:\n  transformers: {}\n", "utf-8")
            return tmp_path / "fetched"

        bundle = adopt(uri, model_name="tiny", destination=tmp_path / "bundle", fetch_mlflow=fetch)
        assert asked == [uri]
        assert bundle.manifest.signature == builders.SIGNATURE
        assert bundle.manifest.lineage["origin"] == f"adopted from {uri}"

    def test_the_onnx_flavour_brings_its_tokenizer_as_an_extra_file(self, take: Adopt, tmp_path: Path) -> None:
        fetched = tmp_path / "fetched"
        (fetched / "extra_files").mkdir(parents=True)
        (fetched / "MLmodel").write_text("flavors:\n  onnx: {}\n", "utf-8")
        builders.onnx_graph(fetched / "model.onnx")
        with pytest.raises(UnsupportedModelError, match=r"no tokenizer\.json"):
            take(fetched, max_tokens=64)
        (fetched / "extra_files" / TOKENIZER_FILE).write_text(builders.tokenizer_json(), "utf-8")
        assert take(fetched, max_tokens=64).manifest.artifact.format is ArtifactFormat.ONNX

    def test_a_pickled_flavour_is_refused(self, take: Adopt, tmp_path: Path) -> None:
        (tmp_path / "fetched" / "data").mkdir(parents=True)
        (tmp_path / "fetched" / "MLmodel").write_text("flavors:\n  pytorch: {}\n", "utf-8")
        (tmp_path / "fetched" / "data" / "model.pth").write_bytes(b"pickle")
        with pytest.raises(UnsupportedModelError, match="Accepted are a Hugging Face directory"):
            take(tmp_path / "fetched")

    def test_without_mlflow_its_uris_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(MissingExtraError, match=r"seatrial\[registry\]"):
            adopt("models:/tiny/1", model_name="tiny", destination=tmp_path / "bundle")


class TestUnknownLayouts:
    def test_nothing_there(self, take: Adopt, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="There is nothing at"):
            take(tmp_path / "absent")

    @pytest.mark.parametrize("name", ["model.pt", "model.PTH", "pytorch_model.bin", "model.pkl"])
    def test_a_pickle(self, take: Adopt, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"anything")
        with pytest.raises(UnsupportedModelError, match="is a pickle, which could run code"):
            take(tmp_path / name)

    def test_a_file_of_another_kind(self, take: Adopt, tmp_path: Path) -> None:
        (tmp_path / "model.txt").write_text("text", "utf-8")
        with pytest.raises(UnsupportedModelError, match="Accepted are"):
            take(tmp_path / "model.txt")

    def test_an_empty_directory(self, take: Adopt, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(UnsupportedModelError, match="Accepted are"):
            take(tmp_path / "empty")

    def test_a_directory_with_weights_of_another_framework(self, take: Adopt, copied: Path) -> None:
        (copied / WEIGHTS).rename(copied / "tf_model.h5")
        with pytest.raises(UnsupportedModelError, match="Accepted are"):
            take(copied)


class TestOnnxWithoutItsLibrary:
    def test_onnx_must_be_installed(self, take: Adopt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        builders.onnx_graph(tmp_path / "model.onnx")
        monkeypatch.setitem(__import__("sys").modules, "onnx", None)
        with pytest.raises(MissingExtraError, match=r"seatrial\[convert\]"):
            take(tmp_path / "model.onnx")


def test_precision_of_what_was_trained_is_full(take: Adopt, copied: Path) -> None:
    weights = {name: weight.half() for name, weight in load_file(copied / WEIGHTS).items()}
    save_file(weights, copied / WEIGHTS, {"format": "pt"})
    _configure(copied, dtype="float16")
    bundle = take(copied)
    assert bundle.manifest.artifact.precision is Precision.FP32
    assert load_file(bundle.directory / WEIGHTS)["classifier.weight"].dtype == torch.float32
