"""The unpadded graph against the models it is made from: every family, every mix of lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.bundle import Bundle
from seatrial.conversion.families import read_encoder
from seatrial.conversion.onnx_export import OnnxExporter
from seatrial.conversion.quantize import DynamicQuantizer
from seatrial.domain.errors import ConversionError, UnsupportedModelError
from seatrial.domain.inference import FloatArray, InferenceEngine, TokenBatch
from seatrial.domain.model import Layout
from seatrial.engines.loading import load_engine
from seatrial.text.labels import softmax
from seatrial.text.layout import lay_out
from tests import builders
from tests.conversions import converted, source_of

LONGEST = builders.MAX_TOKENS
PAD_ID = 1  # RoBERTa's, so that a pad among a text's own tokens is drawn too
SIZES: dict[str, Any] = {
    "vocab_size": len(builders.VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.3,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(max_position_embeddings=LONGEST, **SIZES),
    "bert with relu and three labels": lambda: transformers.BertConfig(
        max_position_embeddings=LONGEST, hidden_act="relu", num_labels=3, **SIZES
    ),
    "roberta": lambda: transformers.RobertaConfig(
        max_position_embeddings=LONGEST + PAD_ID + 1, pad_token_id=PAD_ID, **SIZES
    ),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(
        max_position_embeddings=LONGEST + PAD_ID + 1, pad_token_id=PAD_ID, **SIZES
    ),
    "camembert": lambda: transformers.CamembertConfig(
        max_position_embeddings=LONGEST + PAD_ID + 1, pad_token_id=PAD_ID, **SIZES
    ),
    "electra": lambda: transformers.ElectraConfig(max_position_embeddings=LONGEST, embedding_size=16, **SIZES),
    "electra as wide as its embeddings": lambda: transformers.ElectraConfig(
        max_position_embeddings=LONGEST, embedding_size=32, **SIZES
    ),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=len(builders.VOCABULARY), max_position_embeddings=LONGEST, dim=32, n_layers=3, n_heads=4,
        hidden_dim=64, initializer_range=0.3,
    ),
}  # fmt: skip


class Pair(NamedTuple):
    """An exported graph and the model it was made from."""

    engine: InferenceEngine
    model: Any

    def difference(self, lengths: Sequence[int], seed: int) -> float:
        """The largest difference of a probability between the two, for texts of those lengths."""
        rng = np.random.default_rng(seed)
        batch = TokenBatch.from_rows([rng.integers(0, len(builders.VOCABULARY), length).tolist() for length in lengths])
        answers = self.engine.infer(lay_out(batch, Layout.PACKED)).logits
        return float(np.abs(softmax(answers) - softmax(answers_alone(self.model, batch))).max())


def answers_alone(model: Any, batch: TokenBatch) -> FloatArray:
    """What PyTorch answers to each text by itself: no padding, hence nothing that padding could hide."""
    with torch.no_grad():
        return np.concatenate(
            [model(input_ids=torch.from_numpy(batch.row(number))[None]).logits.numpy() for number in range(len(batch))]
        )


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    directory = tmp_path_factory.mktemp("family")
    source = source_of(directory / "source", CONFIGS[request.param]())
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source.directory).eval()
    return Pair(load_engine(converted(OnnxExporter("unpadded"), source, directory / "made")), model)


mixed = st.lists(st.integers(1, LONGEST), min_size=1, max_size=12)
one_long = st.builds(
    lambda short, place: [*short[:place], LONGEST, *short[place:]],
    st.lists(st.integers(1, 6), min_size=1, max_size=10),
    st.integers(0, 9),
)
equal = st.builds(lambda length, texts: [length] * texts, st.integers(1, LONGEST), st.integers(1, 9))


@settings(max_examples=40, deadline=None)
@given(lengths=mixed | one_long | equal, seed=st.integers(0, 2**32 - 1))
def test_it_answers_as_pytorch_does_whatever_the_lengths(pair: Pair, lengths: list[int], seed: int) -> None:
    assert pair.difference(lengths, seed) < 1e-5


@pytest.mark.parametrize("lengths", [[1], [LONGEST], [1] * 40, [LONGEST] * 3, [LONGEST, *[1] * 20], [7], [2, 1]])
def test_it_answers_as_pytorch_does_at_the_ends(pair: Pair, lengths: list[int]) -> None:
    assert pair.difference(lengths, seed=0) < 1e-5


def test_int8_decides_as_fp32_does(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", CONFIGS["bert"]())
    fp32 = converted(OnnxExporter("auto"), source, tmp_path / "fp32")
    int8 = converted(DynamicQuantizer("on"), fp32, tmp_path / "int8")
    assert (int8.manifest.artifact.profile, int8.manifest.artifact.layout) == ("unpadded", Layout.PACKED)
    operators = int8.manifest.lineage["operators"]
    assert operators["MatMulInteger"] >= 3 * 4, "every linear layer"
    rng = np.random.default_rng(0)
    rows = [rng.integers(5, len(builders.VOCABULARY), length).tolist() for length in rng.integers(1, LONGEST, 300)]
    tensors = lay_out(TokenBatch.from_rows(rows), Layout.PACKED)
    labels = [load_engine(bundle).infer(tensors).logits.argmax(axis=1) for bundle in (fp32, int8)]
    assert (labels[0] == labels[1]).mean() > 0.93


def test_it_has_only_operators_of_onnx_and_says_why_it_was_made(source: Bundle, tmp_path: Path) -> None:
    made = converted(OnnxExporter("auto"), source, tmp_path / "made")
    lineage = made.manifest.lineage
    assert (made.manifest.artifact.profile, made.manifest.artifact.layout) == ("unpadded", Layout.PACKED)
    assert lineage["profile_reason"] == "The unpadded graph is built for BertForSequenceClassification."
    assert lineage["opsets"] == {"ai.onnx": 17}


def test_the_last_layer_computes_only_what_the_head_reads(source: Bundle, tmp_path: Path) -> None:
    """A thousand tokens of one text and one token of another: the tensors of the last layer have two rows."""
    import onnx
    import onnxruntime

    made = converted(OnnxExporter("unpadded"), source, tmp_path / "made")
    model = onnx.load(str(made.onnx_path))
    inner = [node.output[0] for node in model.graph.node if node.op_type == "MatMul" and "/_last/_widen" in node.name]
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner[0], onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    tensors = lay_out(TokenBatch.from_rows([[5] * LONGEST, [6]]), Layout.PACKED)
    assert session.run(inner, dict(tensors))[0].shape == (2, 64)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (transformers.MPNetConfig(max_position_embeddings=66, **SIZES), "MPNetForSequenceClassification"),
        (
            transformers.BertConfig(**{**SIZES, "num_hidden_layers": 1}),
            "BertForSequenceClassification with a single layer",
        ),
    ],
    ids=["another family", "one layer"],
)
def test_what_it_is_not_built_for_is_said_and_goes_another_way(config: Any, what: str, tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", config)
    made = converted(OnnxExporter("auto"), source, tmp_path / "padded")
    assert made.manifest.artifact.layout is Layout.PADDED
    assert made.manifest.lineage["profile_reason"].startswith(f"The unpadded graph is not built for {what}. ")
    with pytest.raises(ConversionError, match=rf"not built for {what}\. Set conversion\.profile"):
        converted(OnnxExporter("unpadded"), source, tmp_path / "made")


def test_a_subclass_is_another_model() -> None:
    class Changed(transformers.BertForSequenceClassification):  # type: ignore[misc]  # transformers is not followed
        pass

    read_encoder(transformers.BertForSequenceClassification(CONFIGS["bert"]()))
    with pytest.raises(UnsupportedModelError, match="not built for Changed"):
        read_encoder(Changed(CONFIGS["bert"]()))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("position_embedding_type", "relative_key", "with relative positions"), ("is_decoder", True, "as a decoder")],
)
def test_another_configuration_is_another_model(field: str, value: object, message: str) -> None:
    model = transformers.BertForSequenceClassification(CONFIGS["bert"]())
    setattr(model.config, field, value)
    with pytest.raises(UnsupportedModelError, match=message):
        read_encoder(model)
