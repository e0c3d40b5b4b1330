"""ONNX graphs as files: saving and copying them, and whether one is what it should be."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.domain.errors import ConversionError
from seatrial.domain.model import Layout, Signature
from seatrial.text.layout import graph_inputs

__all__ = ["GRAPH_FILE", "OPSET", "check_graph", "copy_graph", "describe_graph", "save_graph", "saves_externally"]

GRAPH_FILE = "model.onnx"
OPSET = 17
"""The version of ONNX's own operators that every exported graph has."""

_EXTERNAL_ABOVE_BYTES = 16 * 2**20
"""Beyond this the weights go to a file beside the graph, which ONNX Runtime maps into memory instead of reading it:
half the private memory of a session, and less than half the time to load one. A protobuf file ends at 2 GiB anyway."""
_RANDOM_OPERATORS = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_DATATYPES = {"INT64": 7, "FP32": 1}  # the numbers of onnx.TensorProto


def check_graph(path: Path, signature: Signature, *, layout: Layout = Layout.PADDED, opset: int | None = OPSET) -> None:
    """Checks a graph fully and holds it against the signature it shall serve.

    ONNX's checker knows nothing of the operators in other domains: there it checks that the graph around them fits,
    and the runtime checks the rest when it loads the graph.

    Args:
        layout: of the batches it shall take.
        opset: the version of ONNX's own operators it must have; None where any will do.

    Raises:
        ConversionError: it is no valid graph, or its inputs, outputs, dynamic axes or opset are not as they should be,
            or it draws random numbers: some runtimes drop such nodes in silence, so asking the graph may not show it.
    """
    model = _parsed(path)
    found = {**_values(model.graph.input), **_values(model.graph.output)}
    specs = (*graph_inputs(signature, layout), *signature.outputs)
    expected = {spec.name: (_DATATYPES[spec.datatype], spec.shape) for spec in specs}
    if found != expected:
        raise ConversionError(
            f"{path} takes and gives {_words(found)}, where {_words(expected)} is expected: export the model again."
        )
    random = _random_nodes(model)
    if random:
        raise ConversionError(
            f"{path} draws random numbers ({random[0]}), as dropout does in training: "
            "export the model in evaluation mode."
        )
    if opset is not None and _opsets(model)[""] != opset:
        raise ConversionError(f"{path} has opset {_opsets(model)['']}, not {opset}: export the model again.")


def describe_graph(path: Path) -> dict[str, Any]:
    """The facts of a graph that go into its lineage: opsets by domain, what wrote it, how many of which operators."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    operators = Counter(node.op_type for node in model.graph.node)
    return {
        "opset": _opsets(model)[""],
        "opsets": {domain or "ai.onnx": version for domain, version in _opsets(model).items()},
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "operators": dict(sorted(operators.items())),
    }


def save_graph(model: Any, path: Path) -> None:
    """Writes a graph; the weights of a large one go to a file beside it, named after it."""
    import onnx

    options: dict[str, Any] = {}
    if saves_externally(model):
        options = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 1024}
    onnx.save_model(model, str(path), **options)


def saves_externally(model: Any) -> bool:
    """Whether a graph's weights are large enough for a file of their own."""
    return bool(model.ByteSize() > _EXTERNAL_ABOVE_BYTES)


def copy_graph(bundle: Bundle, directory: Path) -> None:
    """Copies a bundle's graph and the files of external data it names, under their own names.

    Raises:
        BundleMissingFileError: the bundle has no graph.
        ConversionError: the file is no graph, or names a file that is not in the bundle.
    """
    names = _external_files(bundle.onnx_path)
    strange = sorted(names - set(bundle.manifest.files))
    if strange:
        raise ConversionError(f"{bundle.onnx_path} needs {strange[0]!r}, which is not in its bundle: adopt it again.")
    for name in (GRAPH_FILE, *names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.directory / name, directory / name)


def _parsed(path: Path) -> Any:
    """The graph, checked fully; weights in other files are left there."""
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:  # the checker, its shape inference and protobuf share no class of error
        raise ConversionError(
            f"{path} is no valid ONNX graph ({str(error)[:300]}): export or adopt the model again."
        ) from error


def _external_files(path: Path) -> set[str]:
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's DecodeError, for which there is no public class in all its versions
        raise ConversionError(f"{path} is no ONNX graph ({error}): export or adopt the model again.") from error
    return {ExternalDataInfo(tensor).location for tensor in _tensors(model.graph) if uses_external_data(tensor)}


def _tensors(graph: Any) -> Iterator[Any]:
    """All stored tensors of a graph and of the graphs inside its nodes."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _random_nodes(model: Any) -> list[str]:
    """Nodes whose output is drawn, dropout that is switched on among them."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    found = []
    for node in model.graph.node:
        # The third input of Dropout says whether it is on; without one it is off.
        switch = node.input[2] if node.op_type == "Dropout" and len(node.input) > 2 else ""
        on = switch and (switch not in constants or numpy_helper.to_array(constants[switch]).any())
        if on or node.op_type in _RANDOM_OPERATORS:
            found.append(f"{node.op_type} {node.name}".strip())
    return found


def _opsets(model: Any) -> dict[str, int]:
    versions = {"": 0}  # a graph that uses other domains only states none
    for entry in model.opset_import:
        versions["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    return versions


def _values(values: Any) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Datatype and shape of inputs or outputs; -1 for a dynamic dimension."""
    found = {}
    for value in values:
        kind = value.type.tensor_type
        shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)
        found[value.name] = (kind.elem_type, shape)
    return found


def _words(values: dict[str, tuple[int, tuple[int, ...]]]) -> str:
    names = {number: word for word, number in _DATATYPES.items()}
    return ", ".join(f"{name} {names.get(kind, kind)} {list(shape)}" for name, (kind, shape) in values.items())
