"""What a V2 request means and what it gets, over REST and gRPC alike: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seatrial.domain.errors import InvalidRequestError, UnsupportedFeatureError
from seatrial.domain.inference import IntArray, TokenBatch
from seatrial.serving.exchange import Asked, Served
from seatrial.serving.protocols.tensors import INTEGERS, Tensor
from seatrial.serving.wire import check_unit

__all__ = ["OUTPUTS", "ChosenOutput", "Wanted", "ask", "outputs"]

OUTPUTS = ("label", "probabilities", "logits")
"""What can be asked for, in the order in which it comes where a request does not choose."""

_UNSUPPORTED = {
    "classification": "classification: take the output label",
    "sequence_id": "sequences: this model keeps no state",
    "shared_memory_region": "shared memory: send the tensor in the request",
}
_MATRIX = 2  # dimensions


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a V2 answer needs to know of its request.

    Attributes:
        echo_id: the request's own `id`, empty where it has none.
        outputs: names of the tensors, in order.
        binary: those of them that are wanted in raw form; gRPC is always raw.
        label_shape: shape of the output `label`: that of the texts.
    """

    echo_id: str
    outputs: tuple[str, ...]
    binary: frozenset[str]
    label_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChosenOutput:
    """An output that a request names."""

    name: str
    parameters: Mapping[str, Any]


def ask(
    echo_id: str, tensors: Iterable[Tensor], chosen: Iterable[ChosenOutput], parameters: Mapping[str, Any]
) -> Asked[Wanted]:
    """What a request asks.

    Args:
        echo_id: the request's own `id`, which comes back with the answer.
        chosen: the outputs it names; none: the usual ones.
        parameters: of the request as a whole.

    Raises:
        InvalidRequestError: tensors or parameters do not fit.
        UnsupportedFeatureError: it needs what is not offered.
    """
    inputs, shape = _inputs(tensors)
    _check_supported(parameters)
    usual = ("logits",) if isinstance(inputs, TokenBatch) else OUTPUTS
    names, binary = _choose(chosen, usual, _of_type(parameters, "binary_data_output", bool) or False)
    timeout_us = _of_type(parameters, "timeout", int)
    return Asked(
        inputs,
        Wanted(echo_id, names, binary, shape),
        max_length=_of_type(parameters, "max_length", int),
        unit=_unit(parameters),
        within_s=timeout_us / 1e6 if timeout_us and timeout_us > 0 else None,
    )


def outputs(served: Served[Wanted]) -> list[Tensor]:
    """The tensors that answer a request."""
    answer, labels = served.answer, len(served.variant.labels)
    texts = len(answer.scores)
    made: list[Tensor] = []
    for name in served.asked.form.outputs:
        if name == "label":
            strings = [score.label for score in answer.scores]
            made.append(Tensor(name, "BYTES", served.asked.form.label_shape, strings))
        elif name == "probabilities":
            rows = np.array([score.probabilities for score in answer.scores], np.float32)
            made.append(Tensor(name, "FP32", (texts, labels), rows))
        else:
            made.append(Tensor(name, "FP32", (texts, labels), answer.logits))
    return made


def _inputs(tensors: Iterable[Tensor]) -> tuple[Sequence[str] | TokenBatch, tuple[int, ...]]:
    """Texts or token ids, and the shape of a tensor with one string for each of them."""
    by_name: dict[str, Tensor] = {}
    for tensor in tensors:
        if tensor.name in by_name:
            raise InvalidRequestError(f"Input {tensor.name[:100]!r} comes twice: send it once.")
        by_name[tensor.name] = tensor
    if set(by_name) == {"text"}:
        return _texts(by_name["text"])
    if set(by_name) in ({"input_ids"}, {"input_ids", "attention_mask"}):
        batch = _token_ids(by_name["input_ids"], by_name.get("attention_mask"))
        return batch, (len(batch), 1)
    names = ", ".join(sorted(name[:100] for name in by_name)[:10]) or "none"
    raise InvalidRequestError(f"The inputs are {names}: send text (BYTES), or input_ids and attention_mask (INT64).")


def _texts(tensor: Tensor) -> tuple[Sequence[str], tuple[int, ...]]:
    if tensor.datatype != "BYTES":
        raise InvalidRequestError(f"text is {tensor.datatype}: send BYTES.")
    if tensor.shape not in ((tensor.shape[0],), (tensor.shape[0], 1)):
        raise InvalidRequestError(f"text has shape {list(tensor.shape)}: send [texts] or [texts, 1].")
    assert not isinstance(tensor.elements, np.ndarray)
    return tensor.elements, tensor.shape


def _token_ids(ids: Tensor, mask: Tensor | None) -> TokenBatch:
    rows = _matrix(ids)
    if mask is None:
        lengths = np.full(len(rows), rows.shape[1], np.int64)
    else:
        ones = _matrix(mask)
        if ones.shape != rows.shape:
            raise InvalidRequestError(
                f"attention_mask has shape {list(ones.shape)} and input_ids {list(rows.shape)}: send equal ones."
            )
        lengths = ones.sum(axis=1)
        # Positions count from the row's first cell: padding anywhere else would be read as something else.
        if not np.array_equal(ones, np.arange(rows.shape[1]) < lengths[:, None]):
            raise InvalidRequestError("attention_mask must be ones and then zeros in each row: pad on the right.")
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return TokenBatch(rows[np.arange(rows.shape[1]) < lengths[:, None]], offsets)


def _matrix(tensor: Tensor) -> IntArray:
    if tensor.datatype not in INTEGERS or len(tensor.shape) != _MATRIX:
        raise InvalidRequestError(
            f"{tensor.name} is {tensor.datatype} of shape {list(tensor.shape)}: send INT64 of shape [texts, tokens]."
        )
    return np.asarray(tensor.elements, np.int64)


def _choose(
    chosen: Iterable[ChosenOutput], usual: tuple[str, ...], all_binary: bool
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names of the outputs, and those wanted in raw form."""
    names: list[str] = []
    binary: set[str] = set()
    for output in chosen:
        if output.name not in OUTPUTS:
            raise InvalidRequestError(f"There is no output {output.name[:100]!r}: choose among {', '.join(OUTPUTS)}.")
        if output.name in names:
            raise InvalidRequestError(f"Output {output.name} is chosen twice: name it once.")
        _check_supported(output.parameters)
        names.append(output.name)
        wanted = _of_type(output.parameters, "binary_data", bool)
        if all_binary if wanted is None else wanted:
            binary.add(output.name)
    if not names:
        return usual, frozenset(usual if all_binary else ())
    return tuple(names), frozenset(binary)


def _check_supported(parameters: Mapping[str, Any]) -> None:
    for name, sentence in _UNSUPPORTED.items():
        if parameters.get(name):
            raise UnsupportedFeatureError(f"This server does not offer {sentence}.")


def _unit(parameters: Mapping[str, Any]) -> str | None:
    unit = _of_type(parameters, "unit", str)
    return None if unit is None else check_unit(unit)


def _of_type(parameters: Mapping[str, Any], name: str, kind: type) -> Any:
    """The parameter, None where it is not there."""
    value = parameters.get(name)
    if value is None or type(value) is kind:
        return value
    raise InvalidRequestError(f"parameters.{name} is of type {type(value).__name__}: send {kind.__name__}.")
