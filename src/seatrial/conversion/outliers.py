"""Which matrix products 8 bits are too coarse for.

Dynamic quantisation spreads 255 steps from the smallest to the largest value of a product's whole input. Transformers
have a few channels with values a hundred times the ordinary ones, above all between the two layers of a feed-forward
block; everything ordinary then falls on two or three steps. Such products stay in fp32.

Random tokens show these channels as well as real texts do (measured on MiniLM: the same three layers, values within
two percent), so no rows are needed and none are used up.

Source: T. Dettmers et al., "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale", NeurIPS 2022;
Y. Bondarenko et al., "Understanding and Overcoming the Challenges of Efficient Transformer Quantization", EMNLP 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.bundle import Bundle
from seatrial.conversion.graph import save_graph
from seatrial.domain.inference import FloatArray, TokenBatch
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["affordable", "coarse_products", "coarseness"]

STEPS = 255
COARSEST_RATIO = 0.25
"""Largest quantisation step as a share of the input's root mean square: four steps for an ordinary value."""
BUDGET_RATIO = 0.1
"""Share of the graph's bytes that may stay in fp32 for this."""

_TEXTS, _TOKENS = 16, 32
_PRODUCTS = ("MatMul", "Attention")


def coarse_products(model: Any, parent: Bundle, scratch: Path) -> dict[str, float]:
    """Names of the products that should stay in fp32, worst first, with their coarseness.

    Args:
        model: the graph, every node named.
        parent: the artifact it is from.
        scratch: a directory for a copy of the graph.
    """
    from onnx import numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in _PRODUCTS and node.input[1] in weights]
    seen = _activations(model, {node.input[0] for node in products}, parent, scratch)
    found = {node.name: coarseness(seen[node.input[0]]) for node in products}
    sizes_bytes = {node.name: numpy_helper.to_array(weights[node.input[1]]).nbytes for node in products}
    return affordable(found, sizes_bytes, BUDGET_RATIO * model.ByteSize())


def coarseness(activations: npt.NDArray[np.float32]) -> float:
    """The quantisation step of a tensor as a share of its root mean square; infinite where it is not finite.

    Example:
        >>> ordinary = np.tile(np.float32([-1, 1]), 500)
        >>> round(coarseness(ordinary), 4), round(coarseness(np.append(ordinary, np.float32(99))), 2)
        (0.0078, 0.12)
    """
    span = float(activations.max()) - float(activations.min())
    root_mean_square = float(np.sqrt(np.mean(np.square(activations, dtype=np.float64))))
    if not math.isfinite(span):
        return math.inf
    return span / STEPS / root_mean_square if root_mean_square else 0.0


def affordable(found: Mapping[str, float], sizes_bytes: Mapping[str, int], budget_bytes: float) -> dict[str, float]:
    """The coarsest products beyond the limit, as many as the budget has room for.

    Example:
        >>> affordable({"a": 0.3, "b": 0.01, "c": 0.4}, {"a": 4, "b": 4, "c": 4}, 100)
        {'c': 0.4, 'a': 0.3}
        >>> affordable({"a": 0.3, "c": 0.4}, {"a": 4, "c": 4}, 5)
        {'c': 0.4}
    """
    chosen: dict[str, float] = {}
    for name in sorted(found, key=lambda name: -found[name]):
        if found[name] > COARSEST_RATIO and sizes_bytes[name] <= budget_bytes:
            chosen[name] = round(found[name], 4)
            budget_bytes -= sizes_bytes[name]
    return chosen


def _activations(model: Any, names: set[str], parent: Bundle, scratch: Path) -> dict[str, FloatArray]:
    """The values of inner tensors for random tokens."""
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    wanted = sorted(names - {value.name for value in (*model.graph.input, *model.graph.output)})
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in wanted)
    path = scratch / "probe.onnx"
    save_graph(probe, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its faults come back as our errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    values = session.run(wanted, lay_out(_random_tokens(parent), parent.manifest.artifact.layout))
    return dict(zip(wanted, values, strict=True))


def _random_tokens(parent: Bundle) -> TokenBatch:
    max_tokens = parent.manifest.signature.max_tokens
    vocabulary = Tokenizer.from_file(parent.tokenizer_path, max_tokens).vocabulary_size
    shape = (_TEXTS, min(_TOKENS, max_tokens))
    return TokenBatch.from_rows(np.random.default_rng(0).integers(0, vocabulary, shape).tolist())
