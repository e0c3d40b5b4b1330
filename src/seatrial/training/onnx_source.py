"""An ONNX graph made elsewhere: parsed, tried in ONNX Runtime, and taken over byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.bundle import TOKENIZER_FILE, storage_errors
from seatrial.domain.errors import MissingExtraError, UnsupportedModelError
from seatrial.domain.inference import FloatArray, IntArray
from seatrial.domain.model import ArtifactFormat, Precision
from seatrial.text.tokenizer import Tokenizer
from seatrial.training.answers import Run, require_answers
from seatrial.training.tokenizer_files import read_json, stated_limit, write_tokenizer
from seatrial.training.trained_model import Declared, TrainedModel

__all__ = ["read_onnx"]

_INPUTS = {"input_ids", "attention_mask"}
_OUTPUT = "logits"
_GRAPH_FILE = "model.onnx"
_OWN_FILES = {_GRAPH_FILE, TOKENIZER_FILE, "config.json", "manifest.json"}
_INT8_OPERATORS = {
    "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QAttention",
    "QLinearMatMul", "QuantizeLinear",
}  # fmt: skip


def read_onnx(path: Path, tokenizer_directory: Path, declared: Declared, target: Path) -> TrainedModel:
    """A classifier of an .onnx file; `target` gets links to its files under the names the bundle will have.

    Args:
        path: the graph; files of external data lie where it says, beside it.
        target: what lies there is replaced.

    Raises:
        UnsupportedModelError: it is no graph, or not one of a text classifier that Seatrial can serve.
        UsageError: the declared labels or length do not fit the model, or are needed and not given.
        MissingExtraError: onnx is not installed.
        StorageFullError: no room.
    """
    model = _parsed(path)
    _check_inputs(model, path)
    classes = _classes(model, path)
    config = read_json(path.parent / "config.json")
    labels = declared.name_classes(_stated_labels(config), classes)
    max_tokens = declared.limit_tokens(_stated_limit(config) or stated_limit(tokenizer_directory))
    with storage_errors(f"write to {target}"):
        _gather(path, ["config.json"] * bool(config) + _external_files(model), target)
        write_tokenizer(tokenizer_directory, target / TOKENIZER_FILE)
    tokenizer = Tokenizer.from_file(target / TOKENIZER_FILE, max_tokens)
    stated_pad_id = config.get("pad_token_id")
    pad_id = stated_pad_id if isinstance(stated_pad_id, int) else tokenizer.pad_id()
    require_answers(_session(path), tokenizer, pad_id, classes)
    return TrainedModel(target, labels, max_tokens, pad_id, format=ArtifactFormat.ONNX, precision=_precision(model))


def _gather(path: Path, companions: Sequence[str], target: Path) -> None:
    """Links the graph and the files beside it into the directory that becomes the bundle."""
    shutil.rmtree(target, ignore_errors=True)
    for name, file in {_GRAPH_FILE: path, **{name: path.parent / name for name in companions}}.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(file.resolve())


def _parsed(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtraError("onnx", "convert") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
        _require_external_files(model, path)
        # Shapes are left to ONNX Runtime, which infers them when it loads the graph.
        onnx.checker.check_model(str(path))
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise UnsupportedModelError(f"{path} is no valid ONNX file: {error}. Export the model again.") from error
    return model


def _check_inputs(model: Any, path: Path) -> None:
    import onnx

    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value.type.tensor_type for value in model.graph.input if value.name not in constants}
    if "token_type_ids" in inputs:
        raise UnsupportedModelError(
            f"{path} wants token_type_ids, which are all zero for single texts: export it again through a module whose "
            "forward takes input_ids and attention_mask only."
        )
    if set(inputs) != _INPUTS:
        raise UnsupportedModelError(
            f"{path} takes {', '.join(sorted(inputs)) or 'nothing'}: export it with the inputs input_ids and "
            "attention_mask, and no others."
        )
    for name, kind in inputs.items():
        if kind.elem_type != onnx.TensorProto.INT64 or len(kind.shape.dim) != 2:
            raise UnsupportedModelError(f"{path}: {name} must be INT64 of (batch, sequence): export it again so.")


def _classes(model: Any, path: Path) -> int:
    """The number of columns of the logits."""
    import onnx

    outputs = list(model.graph.output)
    if [output.name for output in outputs] != [_OUTPUT]:
        raise UnsupportedModelError(
            f"{path} gives {', '.join(output.name for output in outputs)}: export it with one output named {_OUTPUT}."
        )
    kind = outputs[0].type.tensor_type
    dimensions = kind.shape.dim
    if kind.elem_type != onnx.TensorProto.FLOAT or len(dimensions) != 2 or not dimensions[1].dim_value:
        raise UnsupportedModelError(
            f"{path}: {_OUTPUT} must be FLOAT of (batch, classes) with a fixed number of classes: export it again so."
        )
    return int(dimensions[1].dim_value)


def _external_files(model: Any) -> list[str]:
    """Names of the files with external data, relative to the graph; they are never renamed: the graph knows them so."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    return sorted({ExternalDataInfo(tensor).location for tensor in _tensors(model.graph) if uses_external_data(tensor)})


def _tensors(graph: Any) -> Iterator[Any]:
    """All stored tensors of a graph and of the graphs inside its nodes."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _require_external_files(model: Any, path: Path) -> None:
    for name in _external_files(model):
        if Path(name).is_absolute() or ".." in Path(name).parts or name in _OWN_FILES:
            raise UnsupportedModelError(
                f"{path} has its external data in {name!r}: save it again with a file of another name beside it."
            )
        if not (path.parent / name).is_file():
            raise UnsupportedModelError(f"{path} needs the file {name} beside it: copy it there too.")


def _precision(model: Any) -> Precision:
    import onnx

    if any(node.op_type in _INT8_OPERATORS for node in model.graph.node):
        return Precision.INT8
    matrices = [tensor for tensor in model.graph.initializer if len(tensor.dims) > 1]
    half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in matrices)
    return Precision.FP16 if half else Precision.FP32


def _stated_labels(config: Mapping[str, Any]) -> list[str]:
    names = config.get("id2label")
    if not isinstance(names, dict):
        return []
    return [str(names[str(column)]) for column in range(len(names)) if str(column) in names]


def _stated_limit(config: Mapping[str, Any]) -> int | None:
    limit = config.get("max_position_embeddings")
    return limit if isinstance(limit, int) and limit > 0 else None


def _session(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its faults come back as our errors
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an error class for each fault, without a common one
        raise UnsupportedModelError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error

    def run(inputs: Mapping[str, IntArray]) -> FloatArray:
        logits: FloatArray = session.run([_OUTPUT], dict(inputs))[0]
        return logits

    return run
