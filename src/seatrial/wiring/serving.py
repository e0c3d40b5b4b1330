"""The data plane, made from settings and bundles; imports nothing the core install does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seatrial.bundle import Bundle
from seatrial.config import Settings
from seatrial.domain.inference import InferenceEngine

__all__ = ["run_data_plane"]


def run_data_plane(settings: Settings, bundles: Sequence[Bundle], announce: Callable[[dict[str, Any]], None]) -> None:
    """Loads the bundles and serves them until SIGTERM or SIGINT.

    Args:
        announce: told models and addresses once everything is loaded.

    Raises:
        ConfigError: an address cannot be listened on.
        BundleError, RefusedArtifactError, UnsupportedModelError: a bundle cannot or may not be served.
    """
    from seatrial.bundle import BundleIndex
    from seatrial.domain.model import ArtifactFormat, VersionRef
    from seatrial.engines.loading import load_engine
    from seatrial.engines.warm_up import warmed_up
    from seatrial.serving.cores import usable_cores
    from seatrial.serving.plane import DataPlane
    from seatrial.serving.server import Addresses, serve

    index = BundleIndex(settings.bundles_dir)
    lone_threads = settings.serving.lone_threads or usable_cores()

    def load(bundle: Bundle, threads: int = 1) -> InferenceEngine:
        return warmed_up(load_engine(bundle, threads=threads), bundle.manifest.signature.max_tokens)

    def load_wide(bundle: Bundle) -> InferenceEngine | None:
        # PyTorch's number of threads is the whole process's, and stays at one.
        fits = lone_threads > 1 and bundle.manifest.artifact.format is ArtifactFormat.ONNX
        return load(bundle, lone_threads) if fits else None

    # One thread a call: as many calls run at once as there are cores (serving.sessions).
    plane = DataPlane(
        settings.serving,
        load,
        find_bundle=lambda ref: index.resolve(VersionRef.parse(ref), settings.serving.artifact, verify=False),
        load_wide_engine=load_wide,
    )
    opened: list[Addresses] = []

    def ready() -> None:
        announce(
            {
                "models": [variant.ref for variant in plane.variants],
                "public": opened[0].public_url,
                "internal": opened[0].internal_url,
                "grpc": opened[0].grpc,
            }
        )

    serve(plane, bundles, announce=opened.append, on_ready=ready)
