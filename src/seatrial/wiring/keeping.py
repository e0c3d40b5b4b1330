"""What steps leave behind on this machine, for whoever has to keep, copy or delete it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.config import Settings

__all__ = ["Segment", "copy_registry", "journal_segments", "move_registry", "noted_tags", "split_versions"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the journal.

    Attributes:
        ended_s: when the next one was begun, seconds since 1970; None for the last, which may still be written.
    """

    path: Path
    ended_s: float | None


def journal_segments(settings: Settings) -> list[Segment]:
    """The files of the data plane's journal, oldest first."""
    from seatrial.serving.journal_format import segment_path, segments

    numbers = segments(settings.journal_dir)
    ends = [number / 1000 for number in numbers[1:]] + [None] * bool(numbers)  # a number is a moment in ms
    return [Segment(segment_path(settings.journal_dir, number), end) for number, end in zip(numbers, ends, strict=True)]


def split_versions(settings: Settings) -> set[tuple[str, int]]:
    """Model and version of everything that a data plane would give traffic to after its next start."""
    from seatrial.serving.split_orders import OrderFile

    orders = OrderFile(settings.home).read()
    return {(model, version) for model, order in orders.splits.items() for version, _ in order.split.percents}


def copy_registry(database: Path, copy: Path) -> None:
    """Copies the registry's sqlite database while others use it; see `registry.mlflow_copy`."""
    from seatrial.registry.mlflow_copy import copy_database

    copy_database(database, copy)


def noted_tags(database: Path, key: str) -> list[str]:
    """What a tag says in a registry's sqlite database, which may be damaged; see `registry.mlflow_copy`."""
    from seatrial.registry import mlflow_copy

    return mlflow_copy.noted_tags(database, key)


def move_registry(database: Path, before: str, after: str) -> None:
    """Makes a copied registry find its files in another directory; see `registry.mlflow_copy`."""
    from seatrial.registry.mlflow_copy import move_files

    move_files(database, before, after)
