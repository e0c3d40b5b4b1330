"""Takes the few channels that 8 bits are too coarse for out of matrix products, before they are quantised.

Dynamic quantisation spreads 255 steps from the smallest to the largest value of a product's whole input. Transformers
have one or two channels with values up to a hundred times the ordinary ones, above all inside feed-forward blocks;
everything ordinary then falls on two or three steps. So those channels are multiplied in fp32 beside the others::

    X W  =  (X with the channels set to 0) W  +  X[channels] W[channels]

Random tokens show these channels as well as real texts do (on MiniLM the same ones, their largest values within two
percent), so no rows are needed for this and none are used up.

Source: T. Dettmers et al., "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale", NeurIPS 2022; and
Y. Bondarenko et al., "Understanding and Overcoming the Challenges of Efficient Transformer Quantization", EMNLP 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.bundle import Bundle
from seatrial.conversion.graph import save_graph
from seatrial.domain.inference import FloatArray, IntArray, TokenBatch
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["Outliers", "outlier_channels", "separate_outliers"]

PEAK_RATIO = 25.0
"""A channel is an outlier where its largest value is above this many times the root mean square of the input: what
is left is then quantised in steps of at most a fifth of an ordinary value."""
MOST_CHANNELS_RATIO = 1 / 16
"""Largest share of a product's channels that is taken out: more would cost what quantising gains."""

_TEXTS, _TOKENS = 16, 32


@dataclass(frozen=True, slots=True)
class Outliers:
    """What was taken out of a graph.

    Attributes:
        channels: the channels by the name of their product.
        products: names of the products that multiply them, which must stay in fp32.
    """

    channels: Mapping[str, list[int]]
    products: tuple[str, ...]


def separate_outliers(model: Any, parent: Bundle, scratch: Path) -> Outliers:
    """Rewrites a graph in place so that outlier channels have products of their own; its answers stay the same.

    Args:
        model: the graph, every node named.
        parent: the artifact it is from.
        scratch: a directory for a copy of the graph.
    """
    matrices = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    products = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in matrices]
    if not products:
        return Outliers({}, ())
    values = _values(model, {node.input[0] for node in products}, parent, scratch)
    found = {node.name: outlier_channels(values[node.input[0]]) for node in products}
    nodes: list[Any] = []
    for node in model.graph.node:
        channels = found.get(node.name)
        nodes.extend([node] if channels is None or not len(channels) else _separated(node, channels, model.graph))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    separated = {name: channels.tolist() for name, channels in found.items() if len(channels)}
    return Outliers(separated, tuple(_fine(name) for name in separated))


def outlier_channels(values: FloatArray) -> IntArray:
    """The channels of a product's input that quantisation should not see, ascending.

    Args:
        values: (..., channels) float32.

    Example:
        >>> values = np.tile(np.float32([1, -1]), (1000, 32))
        >>> values[7, 3] = 60
        >>> outlier_channels(values).tolist()
        [3]
    """
    table = values.reshape(-1, values.shape[-1])
    peaks = np.abs(table).max(axis=0)
    root_mean_square = np.sqrt(np.mean(np.square(table, dtype=np.float64)))
    highest_first = np.argsort(-peaks, kind="stable")[: int(len(peaks) * MOST_CHANNELS_RATIO)]
    return np.sort(highest_first[peaks[highest_first] > PEAK_RATIO * root_mean_square]).astype(np.int64)


def _separated(node: Any, channels: IntArray, graph: Any) -> Iterator[Any]:
    """The nodes that take the place of a product."""
    from onnx import helper, numpy_helper

    entry, weight_name = node.input
    weight = next(numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name == weight_name)
    ordinary = np.ones(len(weight), np.float32)
    ordinary[channels] = 0
    fine, name = _fine(node.name), node.name
    for suffix, array in (("ordinary", ordinary), ("channels", channels), ("weight", weight[channels])):
        graph.initializer.append(numpy_helper.from_array(array, f"{fine}/{suffix}"))
    yield helper.make_node("Mul", [entry, f"{fine}/ordinary"], [f"{fine}/kept"], f"{fine}/Mul")
    yield helper.make_node("MatMul", [f"{fine}/kept", weight_name], [f"{fine}/coarse"], name)
    yield helper.make_node("Gather", [entry, f"{fine}/channels"], [f"{fine}/taken"], f"{fine}/Gather", axis=-1)
    yield helper.make_node("MatMul", [f"{fine}/taken", f"{fine}/weight"], [f"{fine}/fine"], fine)
    yield helper.make_node("Add", [f"{fine}/coarse", f"{fine}/fine"], list(node.output), f"{fine}/Add")


def _fine(product: str) -> str:
    return f"{product}/outliers"


def _values(model: Any, names: set[str], parent: Bundle, scratch: Path) -> dict[str, FloatArray]:
    """The values of inner tensors for random tokens."""
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    shown = {value.name for value in (*model.graph.input, *model.graph.output)}
    probe.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in sorted(names - shown)
    )
    path = scratch / "probe.onnx"
    save_graph(probe, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its faults come back as our errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = sorted(names)
    found = session.run(wanted, lay_out(_random_tokens(parent), parent.manifest.artifact.layout))
    return dict(zip(wanted, found, strict=True))


def _random_tokens(parent: Bundle) -> TokenBatch:
    max_tokens = parent.manifest.signature.max_tokens
    vocabulary = Tokenizer.from_file(parent.tokenizer_path, max_tokens).vocabulary_size
    shape = (_TEXTS, min(_TOKENS, max_tokens))
    return TokenBatch.from_rows(np.random.default_rng(0).integers(0, vocabulary, shape).tolist())
