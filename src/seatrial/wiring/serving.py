"""The data plane, made from settings and bundles; imports nothing the core install does not have."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.bundle import Bundle, BundleIndex
from seatrial.config import ServingSettings, Settings
from seatrial.domain.inference import InferenceEngine, RecordSink
from seatrial.domain.model import ArtifactFormat, VersionRef

if TYPE_CHECKING:
    from seatrial.serving.journal import Journal
    from seatrial.serving.plane import DataPlane

__all__ = ["find_bundle", "make_data_plane", "new_api_key", "run_data_plane"]

_FILES = ("api_keys_file", "admin_token_file", "tls_cert_file", "tls_key_file", "uds")
"""Settings of the section that are paths: relative ones begin at the project."""


def run_data_plane(
    projects: Sequence[Settings], bundles: Sequence[Bundle], announce: Callable[[dict[str, Any]], None]
) -> None:
    """Loads the bundles, and people's own handlers where settings name some, and serves until SIGTERM or SIGINT.

    Args:
        projects: the first one's section [serving] and home hold for the process.
        announce: told models and addresses once everything is loaded.

    Raises:
        ConfigError: another data plane has the home, an address cannot be listened on, or keys, certificate or handler
            cannot be used.
        BundleError, RefusedArtifactError, UnsupportedModelError: a bundle cannot or may not be served.
    """
    from seatrial.serving.home_lock import only_data_plane

    with only_data_plane(projects[0].home):
        _run_data_plane(projects, bundles, announce)


def _run_data_plane(
    projects: Sequence[Settings], bundles: Sequence[Bundle], announce: Callable[[dict[str, Any]], None]
) -> None:
    from seatrial.serving.feedback import FeedbackDesk, RecentAnswers
    from seatrial.serving.server import Addresses, serve

    settings = projects[0]
    journal, answers = _journal(settings), RecentAnswers()
    plane = make_data_plane(projects, (journal, answers) if journal else ())
    plane.keep_traffic(settings.home)
    desk = FeedbackDesk(journal, answers, plane.metrics) if journal else None
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

    with journal.writing(plane.metrics) if journal else contextlib.nullcontext():
        serve(plane, bundles, announce=opened.append, on_ready=ready, desk=desk)


def find_bundle(projects: Sequence[Settings], ref: str) -> Bundle:
    """The bundle of ``MODEL@V``, from the index and of the artifact of the project that makes the model.

    Raises:
        UnknownModelError, UnknownVersionError, UnknownArtifactError: it is not in the index.
        BundleError: it is there but not whole.
    """
    wanted = VersionRef.parse(ref)
    settings = next((one for one in projects if one.model.name == wanted.name), projects[0])
    return BundleIndex(settings.bundles_dir).resolve(wanted, settings.serving.artifact, verify=False)


def make_data_plane(projects: Sequence[Settings], sinks: Sequence[RecordSink] = ()) -> DataPlane:
    """A data plane with nothing loaded yet, which finds versions in the bundle indexes and warms up what it loads."""
    from seatrial.engines.loading import load_engine
    from seatrial.engines.warm_up import warmed_up
    from seatrial.serving.cores import usable_cores
    from seatrial.serving.handlers import OwnCode
    from seatrial.serving.plane import DataPlane

    settings = projects[0]
    lone_threads = settings.serving.lone_threads or usable_cores()

    def load(bundle: Bundle, threads: int = 1) -> InferenceEngine:
        return warmed_up(load_engine(bundle, threads=threads), bundle.manifest.signature.max_tokens)

    def load_wide(bundle: Bundle) -> InferenceEngine | None:
        # PyTorch's number of threads is the whole process's, and stays at one.
        fits = lone_threads > 1 and bundle.manifest.artifact.format is ArtifactFormat.ONNX
        return load(bundle, lone_threads) if fits else None

    # One thread a call: as many calls run at once as there are cores (serving.sessions).
    plane = DataPlane(
        _with_whole_paths(settings),
        load,
        sinks,
        find_bundle=lambda ref: find_bundle(projects, ref),
        load_wide_engine=load_wide,
    )
    for project in projects:
        if project.serving.handler:
            sys.path.insert(0, str(project.project_dir))  # the handler's module may live in the project
            plane.serve_also(OwnCode(project.serving.handler, project.model.name, project.project_dir))
    return plane


def _journal(settings: Settings) -> Journal | None:
    """The journal that the settings ask for, not opened yet."""
    from seatrial.serving.journal import Journal
    from seatrial.serving.journal_files import JournalFiles, JournalPolicy

    serving = settings.serving
    if serving.journal == "off":
        return None
    policy = JournalPolicy(
        serving.journal_max_bytes, serving.journal_keep_s, serving.journal_forget_s, serving.journal_fsync
    )
    return Journal(JournalFiles(settings.journal_dir, policy))


def new_api_key(name: str, requests_per_minute: int | None) -> tuple[str, str]:
    """A new key, and the line of the key file that admits it.

    Raises:
        ConfigError: the name or the limit cannot stand in the file.
    """
    from seatrial.serving.api_keys import key_line, new_key

    key = new_key()
    return key, key_line(name, key, requests_per_minute)


def _with_whole_paths(settings: Settings) -> ServingSettings:
    given = {name: getattr(settings.serving, name) for name in _FILES}
    return settings.serving.model_copy(
        update={name: str(settings.project_dir / path) for name, path in given.items() if path}
    )
