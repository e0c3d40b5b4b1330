"""What V2 says about the server and its models, as JSON-ready documents for REST and gRPC alike.

Source: Open Inference Protocol V2; Triton's model configuration, statistics and model repository extensions.
"""

from __future__ import annotations

from typing import Any

from seatrial import __version__
from seatrial.domain.errors import ModelNotServedError
from seatrial.serving.exchange import Lifecycle
from seatrial.serving.variants import Variant

__all__ = ["V2Description"]

_SERVER = "seatrial"
_PLATFORM = "seatrial_text_classifier"
_EXTENSIONS = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
"""Of the public port, and only what works there: models are loaded and unloaded behind the internal one."""
_TYPES = {"BYTES": "TYPE_STRING", "INT64": "TYPE_INT64", "FP32": "TYPE_FP32"}
_INPUTS = (("text", "BYTES", 1), ("input_ids", "INT64", -1), ("attention_mask", "INT64", -1))
"""Name, datatype and second dimension; the first one is always the texts."""


class V2Description:
    """Describes what a data plane serves.

    Every method that takes a model raises ModelNotServedError or NotReadyError where it is not served.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._plane = lifecycle.plane
        self._statistics = lifecycle.statistics

    def server(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": _SERVER, "version": __version__, "extensions": list(_EXTENSIONS)}

    def models(self) -> dict[str, Any]:
        """Names of all models."""
        return {"models": list(dict.fromkeys(variant.model for variant in self._plane.variants))}

    def ready(self, model: str, version: str | None) -> dict[str, Any]:
        """That a model takes requests."""
        self._plane.require_ready()
        self._variant(model, version)
        return {"name": model, "ready": True}

    def model(self, model: str, version: str | None) -> dict[str, Any]:
        """Inputs, outputs and versions of a model."""
        variant = self._variant(model, version)
        return {
            "name": model,
            "versions": [other.version for other in self._versions(model, version)],
            "platform": _PLATFORM,
            "inputs": [
                {"name": name, "datatype": datatype, "shape": [-1, second]} for name, datatype, second in _INPUTS
            ],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": [-1, second]}
                for name, datatype, second in _outputs(variant)
            ],
        }

    def config(self, model: str, version: str | None) -> dict[str, Any]:
        """The same as Triton's ModelConfig. The texts are its batch, so `dims` leave them out."""
        variant = self._variant(model, version)
        return {
            "name": model,
            "platform": _PLATFORM,
            "backend": _SERVER,
            "max_batch_size": self._plane.max_texts,
            "input": [
                {"name": name, "data_type": _TYPES[datatype], "dims": [second], "optional": True}
                for name, datatype, second in _INPUTS
            ],
            "output": [
                {"name": name, "data_type": _TYPES[datatype], "dims": [second]}
                for name, datatype, second in _outputs(variant)
            ],
        }

    def statistics(self, model: str | None, version: str | None) -> dict[str, Any]:
        """Counts and times since the start, of one version, of all versions of a model, or of everything."""
        variants = self._plane.variants if model is None else self._versions(model, version)
        return {"model_stats": [self._version_statistics(variant) for variant in variants]}

    def index(self, *, ready_only: bool = False) -> list[dict[str, str]]:
        """What the repository holds: the versions that are loaded, all of them ready."""
        del ready_only  # what is not loaded is not known here
        return [
            {"name": variant.model, "version": variant.version, "state": "READY", "reason": ""}
            for variant in self._plane.variants
        ]

    def _version_statistics(self, variant: Variant) -> dict[str, Any]:
        counts = self._statistics.of(variant.model, variant.version)
        return {
            "name": variant.model,
            "version": variant.version,
            "last_inference": counts.last_success_ms,
            "inference_count": counts.texts,
            "execution_count": counts.succeeded,
            "inference_stats": {
                "success": _duration(counts.succeeded, counts.latency_s),
                "fail": _duration(counts.failed, counts.failed_s),
                "queue": _duration(counts.succeeded, counts.queue_s),
                "compute_input": _duration(counts.succeeded, 0.0),
                "compute_infer": _duration(counts.succeeded, counts.inference_s),
                "compute_output": _duration(counts.succeeded, 0.0),
                "cache_hit": _duration(0, 0.0),
                "cache_miss": _duration(0, 0.0),
            },
            "batch_stats": [],
        }

    def _variant(self, model: str, version: str | None) -> Variant:
        return self._plane.pick(model, version)

    def _versions(self, model: str, version: str | None) -> list[Variant]:
        """The loaded versions of a model, or the one that is named."""
        if version is not None:
            return [self._variant(model, version)]
        versions = [variant for variant in self._plane.variants if variant.model == model]
        if not versions:
            self._variant(model, None)
            raise ModelNotServedError(f"No model {model[:100]!r} is served here.")
        return versions


def _outputs(variant: Variant) -> tuple[tuple[str, str, int], ...]:
    """Name, datatype and second dimension."""
    labels = len(variant.labels)
    return (("label", "BYTES", 1), ("probabilities", "FP32", labels), ("logits", "FP32", labels))


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * 1e9)}
