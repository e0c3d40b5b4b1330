"""The command line as an object: what `seatrial` does, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from seatrial.config import Settings, load_settings
from seatrial.domain.errors import UsageError
from seatrial.domain.model import VersionRef
from seatrial.domain.progress import SILENT, Progress

if TYPE_CHECKING:
    from seatrial.domain.evidence import Finding
    from seatrial.flows.acceptance import Acceptance
    from seatrial.flows.backup import BackedUp
    from seatrial.flows.deploy import Converted
    from seatrial.flows.develop import Developed
    from seatrial.flows.gc import Collected
    from seatrial.flows.restore import Restored
    from seatrial.store.ledger import LedgerEntry
    from seatrial.wiring.workshop import Workshop

__all__ = ["Project", "refuse_namesakes"]


class Project:
    """A model project: a directory with a seatrial.toml (defaults apply where there is none).

    Use it as a context manager, or call `close` when done.

    Example::

        with seatrial.Project("my-model") as project:
            version = project.train().version
            project.convert(version.ref)
    """

    def __init__(self, path: str | Path = ".", *, overrides: Mapping[str, Any] | None = None) -> None:
        """Reads the settings; nothing else happens until a step is asked for.

        Args:
            path: the project's directory.
            overrides: ``{"section.key": value}``, stronger than file and environment.

        Raises:
            UsageError: there is no such directory.
            ConfigError: the settings cannot be used.
        """
        directory = Path(path)
        if not directory.is_dir():
            raise UsageError(f"{directory} is no directory: name that of a project, or make one with seatrial init.")
        self.overrides: Mapping[str, Any] = dict(overrides or {})
        self.settings: Settings = load_settings(directory, overrides=overrides)
        self._workshop: Workshop | None = None

    @property
    def workshop(self) -> Workshop:
        """The project's objects."""
        if self._workshop is None:
            from seatrial.wiring.workshop import Workshop

            self._workshop = Workshop(self.settings)
        return self._workshop

    def train(self, *, progress: Progress = SILENT) -> Developed:
        """Prepares, trains, evaluates and registers a version."""
        from seatrial.flows.develop import develop

        return develop(self.workshop, progress)

    def register(self, origin: str, *, labels: Sequence[str] = (), progress: Progress = SILENT) -> Developed:
        """Takes a model trained elsewhere into the same life."""
        from seatrial.flows.develop import adopt

        return adopt(self.workshop, origin, progress, labels)

    def convert(self, ref: str, targets: Sequence[str] = (), *, progress: Progress = SILENT) -> Converted:
        """Makes and proves the artifacts of a version."""
        from seatrial.flows.deploy import convert

        return convert(self.workshop, VersionRef.parse(ref), targets, progress)

    def test(self, ref: str, *, quick: bool = False, progress: Progress = SILENT) -> Acceptance:
        """Serves a version in a process of its own and checks what users would get; ``staging`` follows."""
        from seatrial.flows.acceptance import accept

        return accept(self.workshop, VersionRef.parse(ref), progress, quick=quick)

    def versions(self) -> list[dict[str, Any]]:
        """Every version with its aliases, artifacts and the worst of its findings, as JSON."""
        from seatrial.flows.catalogue import versions

        return versions(self.workshop)

    def show(self, ref: str) -> dict[str, Any]:
        """One version with its lineage, findings and artifacts, as JSON."""
        from seatrial.flows.catalogue import show

        return show(self.workshop, VersionRef.parse(ref))

    def history(self, model: str) -> list[LedgerEntry]:
        """Everything on record about a model, oldest first."""
        from seatrial.flows.audit import history

        return history(self.workshop, model)

    def production_at(self, model: str, moment: datetime) -> tuple[int | None, LedgerEntry | None]:
        """Which version was in production at a moment, and the entry that put it there."""
        from seatrial.flows.audit import production_at

        return production_at(self.workshop, model, moment)

    def verify(self, models: Sequence[str] = (), *, heads: Sequence[str] = (), repair: bool = False) -> list[Finding]:
        """Checks chain, artifacts, registry and index against the record."""
        from seatrial.flows.audit import verify

        return verify(self.workshop, models, heads, repair=repair)

    def gc(self, *, dry_run: bool = False, progress: Progress = SILENT) -> Collected:
        """Deletes what the policy in ``[store]`` lets go; never what the ledger cites as served."""
        from seatrial.flows.gc import collect

        return collect(self.workshop, progress, dry_run=dry_run)

    def backup(self, destination: str | Path, *, progress: Progress = SILENT) -> BackedUp:
        """Copies the project's state into a directory while everything runs; see `restore`."""
        from seatrial.flows.backup import back_up

        return back_up(self.workshop, Path(destination), progress)

    @staticmethod
    def restore(
        source: str | Path, path: str | Path = ".", *, force: bool = False, progress: Progress = SILENT
    ) -> Restored:
        """Puts a backup's state into a project's directory, and verifies it there."""
        from seatrial.flows.restore import restore

        return restore(Path(source), Path(path), progress, force=force)

    def close(self) -> None:
        """Closes what was opened."""
        if self._workshop is not None:
            self._workshop.close()
            self._workshop = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def refuse_namesakes(projects: Sequence[Settings]) -> None:
    """Raises UsageError where two of the projects that are to share a process make a model of the same name."""
    directories: dict[str, Path] = {}
    for settings in projects:
        model, directory = settings.model.name, settings.project_dir
        if model in directories:
            raise UsageError(
                f"{directories[model]} and {directory} both make {model}: requests could not say which of them is "
                "meant. Give one another model.name, or run it on ports of its own."
            )
        directories[model] = directory
