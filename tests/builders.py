"""Small real models for tests: a two-layer BERT made on the spot, and a hand-made ONNX graph that needs no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import tokenizers.models
import tokenizers.normalizers
import tokenizers.pre_tokenizers
import tokenizers.processors

from seatrial.bundle import TOKENIZER_FILE, Bundle, Manifest, write_bundle
from seatrial.domain.dataset import Dataset, LabelledRows
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision, Signature

LABELS = ("negative", "positive")
MAX_TOKENS = 64
GOOD = ("good", "great", "fine", "lovely", "superb", "warm")
BAD = ("bad", "awful", "poor", "dull", "broken", "cold")
NEUTRAL = ("the", "film", "phone", "plot", "case", "a", "was", "is", "and", "it", "story", "screen", "very", "so")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = {
    word: i
    for i, word in enumerate(
        dict.fromkeys((*_SPECIAL, *GOOD, *BAD, *NEUTRAL, *"abcdefghijklmnopqrstuvwxyz0123456789.,!"))  # "a" is in both
    )
}
PASSED = (Finding("conversion.test", "tiny@1/onnx-fp32", Verdict.PASS, "Made for a test.", samples=1),)
SIGNATURE = Signature(LABELS, MAX_TOKENS)


def tokenizer_json() -> str:
    """A WordPiece tokenizer.json over `VOCABULARY`, BERT's template, no truncation and no padding."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return str(tokenizer.to_str())


def random_texts(count: int, seed: int = 0, longest: int = 30) -> tuple[list[str], list[int]]:
    """Texts whose label (1 for good) shows in their words, with varied lengths."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.integers(2))
        words = list(rng.choice(NEUTRAL, rng.integers(1, longest)))
        for word in rng.choice(GOOD if label else BAD, rng.integers(1, 4)):
            words.insert(int(rng.integers(len(words) + 1)), word)
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


def rows(count: int, seed: int = 0, prefix: str = "r") -> LabelledRows:
    """Labelled rows of `random_texts`, two domains."""
    texts, labels = random_texts(count, seed)
    ids = tuple(f"{prefix}{i}" for i in range(count))
    domains = tuple("film" if i % 2 else "phone" for i in range(count))
    return LabelledRows(ids, tuple(texts), np.array(labels, np.int64), ids, domains)


def dataset(train: int = 200, validation: int = 40, test: int = 120) -> Dataset:
    """A small learnable dataset."""
    return Dataset("tiny", LABELS, rows(train, 1, "t"), rows(validation, 2, "v"), rows(test, 3, "e"), "0" * 64)


def huggingface_files(directory: Path, seed: int = 0) -> None:
    """A BERT classifier of two layers with random weights, saved as Hugging Face does; needs torch."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        initializer_range=0.3,  # spreads the logits, so that labels do not hang on the last bit
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(directory)
    (directory / TOKENIZER_FILE).write_text(tokenizer_json(), "utf-8")
    (directory / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": MAX_TOKENS,
                "pad_token": "[PAD]",
                "unk_token": "[UNK]",
                "cls_token": "[CLS]",
                "sep_token": "[SEP]",
                "mask_token": "[MASK]",
            }
        ),
        "utf-8",
    )


def manifest(
    name: str,
    format_: ArtifactFormat,
    *,
    version: int | None = 1,
    model: str = "tiny",
    findings: Sequence[Finding] = PASSED,
    signature: Signature = SIGNATURE,
) -> Manifest:
    """A manifest to hand to `write_bundle`."""
    artifact = Artifact(name, format_, Precision.FP32, Layout.PADDED, "")
    return Manifest(model, version, artifact, signature, {}, findings=tuple(findings))


def source_bundle(directory: Path, *, version: int | None = None, seed: int = 0, **fields: Any) -> Bundle:
    """A Hugging Face source bundle with random weights; needs torch."""
    return write_bundle(
        directory,
        manifest("source", ArtifactFormat.HUGGINGFACE, version=version, **{"findings": (), **fields}),
        lambda where: huggingface_files(where, seed),
    )


def onnx_graph(path: Path, *, sign: float = 1.0, nan: bool = False) -> None:
    """A classifier made by hand: the masked mean of one-column embeddings; good words raise the second logit.

    Args:
        sign: -1 swaps the labels.
        nan: makes every logit NaN.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((len(VOCABULARY), 2), np.float32)
    for word in GOOD:
        weights[VOCABULARY[word]] = (-4, 4)
    for word in BAD:
        weights[VOCABULARY[word]] = (4, -4)
    weights *= np.float32("nan") if nan else np.float32(sign)
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["embedded"], axis=0),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "middle"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["logits"]),
    ]
    constants = {"weights": weights, "last": np.array([2], np.int64), "middle": np.array([1], np.int64)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"])
            for n in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def onnx_bundle(
    directory: Path,
    *,
    version: int | None = 1,
    model: str = "tiny",
    name: str = "onnx-fp32",
    findings: Sequence[Finding] = PASSED,
    **graph: Any,
) -> Bundle:
    """A servable bundle of the hand-made graph."""

    def fill(where: Path) -> None:
        onnx_graph(where / "model.onnx", **graph)
        (where / TOKENIZER_FILE).write_text(tokenizer_json(), "utf-8")

    return write_bundle(
        directory, manifest(name, ArtifactFormat.ONNX, version=version, model=model, findings=findings), fill
    )
