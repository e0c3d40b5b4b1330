"""What tests of conversion share: rows answered by a source, artifacts of it, and damage done to graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.bundle import TOKENIZER_FILE, Bundle, file_entries, write_bundle
from seatrial.conversion.converter import Converter
from seatrial.conversion.parity import ParityRows
from seatrial.domain.inference import FloatArray
from seatrial.domain.model import Artifact, ArtifactFormat
from seatrial.engines.loading import load_engine
from seatrial.text.labels import label_indices
from seatrial.text.scoring import score
from seatrial.text.tokenizer import Tokenizer
from tests import builders

__all__ = ["answers_of", "converted", "damaged", "onnx_source", "parity_rows", "set_weight", "source_of"]


def parity_rows(source: Bundle, count: int) -> ParityRows:
    """Rows whose truth is what the source decides, so that every changed label is an error too."""
    tokenizer = Tokenizer.from_file(source.tokenizer_path, builders.MAX_TOKENS)
    tokens = tokenizer.encode(builders.random_texts(count, seed=5)[0], builders.MAX_TOKENS)
    engine = load_engine(source)
    logits = score(engine, tokens)
    engine.close()
    return ParityRows(tokens, label_indices(logits), logits)


def answers_of(bundle: Bundle, rows: ParityRows) -> FloatArray:
    """What an artifact answers to the rows, through the engine that serves it."""
    engine = load_engine(bundle)
    logits = score(engine, rows.tokens)
    engine.close()
    return logits


def converted(converter: Converter, parent: Bundle, directory: Path) -> Bundle:
    """What a converter makes, as an opened bundle without findings."""
    directory.mkdir(parents=True, exist_ok=True)
    made = converter.convert(parent, directory)
    artifact = Artifact("made", ArtifactFormat.ONNX, converter.precision, made.layout, "", made.profile)
    manifest = replace(parent.manifest, artifact=artifact, files=file_entries(directory), lineage=made.lineage)
    return Bundle(directory, manifest)


def damaged(bundle: Bundle, directory: Path, damage: Callable[[Any], None]) -> Bundle:
    """A copy of an ONNX bundle whose graph went through `damage`, with a manifest that hides it."""
    import onnx

    def fill(where: Path) -> None:
        model = onnx.load(str(bundle.onnx_path))
        damage(model)
        onnx.save(model, str(where / "model.onnx"))
        (where / "tokenizer.json").write_bytes(bundle.tokenizer_path.read_bytes())

    return write_bundle(directory, bundle.manifest, fill)


def source_of(directory: Path, config: Any) -> Bundle:
    """A source bundle of any architecture of transformers; every weight is random, biases and norms too."""
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # they begin as zeros and ones, which would hide a lost one
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    labels = tuple(f"label {number}" for number in range(config.num_labels))
    signature = replace(builders.SIGNATURE, labels=labels, outputs=())

    def fill(where: Path) -> None:
        model.save_pretrained(where)
        (where / TOKENIZER_FILE).write_text(builders.tokenizer_json(), "utf-8")

    manifest = builders.manifest("source", ArtifactFormat.HUGGINGFACE, version=None, signature=signature)
    return write_bundle(directory, manifest, fill)


def onnx_source(directory: Path, **graph: Any) -> Bundle:
    """An adopted ONNX source: the hand-made graph of the builders."""
    return builders.onnx_bundle(directory, version=None, name="source", findings=(), **graph)


def set_weight(model: Any, name: str, change: Callable[[FloatArray], FloatArray]) -> None:
    """Replaces a stored tensor of a graph."""
    from onnx import numpy_helper

    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    array = np.array(numpy_helper.to_array(tensor))
    tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), name))
