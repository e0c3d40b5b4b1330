"""ONNX artifacts on the processor, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seatrial.bundle import Bundle
from seatrial.domain.errors import UnsupportedModelError
from seatrial.domain.inference import EngineOutput, IntArray
from seatrial.engines.base import Engine
from seatrial.text.layout import graph_inputs

__all__ = ["OnnxEngine"]

_LOGITS = "logits"
_POOLED = "pooled"
_FATAL = 4  # ONNX Runtime also prints what it raises; the exception is enough


class OnnxEngine(Engine):
    """A session of ONNX Runtime.

    With one thread every call computes on its caller's thread: one engine, hence one copy of the weights, serves as
    many workers as call it. With more, threads spin between the products of a call, which makes a lone call a sixth
    to a third faster, and rest when it ends; beside other work on the same cores spinning costs more than it gains.

    Args:
        bundle: of an ONNX artifact; weights in external files beside the graph are found by the runtime.
        threads: how many threads one call computes with, 0 for one a core.

    Raises:
        BundleMissingFileError: the bundle has no graph.
        UnsupportedModelError: the graph cannot be read or run, or does not have the signature's inputs and labels.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        manifest = bundle.manifest
        path = bundle.onnx_path
        session = _open_session(str(path), threads)
        super().__init__(manifest.artifact, len(manifest.signature.labels), session)
        names = {node.name for node in session.get_inputs()}
        expected = {spec.name for spec in graph_inputs(manifest.signature, manifest.artifact.layout)}
        if names != expected:
            raise UnsupportedModelError(
                f"{path} takes the inputs {sorted(names)}, where a {manifest.artifact.layout} graph of its signature "
                f"takes {sorted(expected)}: convert it again."
            )
        outputs = [node.name for node in session.get_outputs()]
        if _LOGITS not in outputs:
            raise UnsupportedModelError(f"{path} has no output {_LOGITS!r} (it has {outputs}): convert it again.")
        self._outputs = [_LOGITS, _POOLED] if _POOLED in outputs else [_LOGITS]
        self._require_labels(str(path))

    def _forward(self, runtime: Any, inputs: Mapping[str, IntArray]) -> EngineOutput:
        tensors = [np.asarray(tensor, np.float32) for tensor in runtime.run(self._outputs, dict(inputs))]
        return EngineOutput(tensors[0], tensors[1] if len(tensors) > 1 else None)


def _open_session(path: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_mem_pattern = False  # plans for one fixed shape; every batch has another
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    provider = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})
    try:
        return onnxruntime.InferenceSession(path, options, providers=[provider])
    except Exception as error:  # its exceptions share no class of their own
        raise UnsupportedModelError(
            f"{path} is no graph that ONNX Runtime {onnxruntime.__version__} can load ({error}): convert it again."
        ) from error
