"""From a bundle to the engine that runs it."""

from __future__ import annotations

from seatrial.bundle import Bundle
from seatrial.domain.inference import InferenceEngine
from seatrial.domain.model import ArtifactFormat
from seatrial.engines.onnx_engine import OnnxEngine
from seatrial.engines.torch_engine import TorchEngine

__all__ = ["load_engine"]


def load_engine(bundle: Bundle, *, threads: int = 1) -> InferenceEngine:
    """Loads the artifact of an opened bundle with the engine of its format.

    Args:
        threads: how many threads one call computes with, 0 for one a core.

    Raises:
        BundleMissingFileError: a file the engine needs is absent.
        UnsupportedModelError: the artifact cannot be read or run, or does not fit its signature.
        MissingExtraError: the engine's library is not installed.
    """
    if bundle.manifest.artifact.format is ArtifactFormat.HUGGINGFACE:
        return TorchEngine(bundle, threads)
    return OnnxEngine(bundle, threads)
