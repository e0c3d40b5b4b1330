"""What stands around every call of a conversion tool: one kind of error, and silence."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from seatrial.bundle import storage_errors
from seatrial.domain.errors import ConversionError, MissingExtraError, SeatrialError

__all__ = ["quiet", "tool_errors"]


@contextlib.contextmanager
def tool_errors(what: str, directory: Path, needed_bytes: int) -> Iterator[None]:
    """Turns whatever a conversion tool raises into a ConversionError, or a StorageFullError where there is no room.

    Tools written in C++ cut files short on a full disk and say nothing; what comes up later is a parse error. So
    after any error the disk is asked whether it has the room that the work needs.

    Args:
        what: the work, as it reads after "Could not".
        directory: where the tool writes.
        needed_bytes: how much it may write there.

    Raises:
        ConversionError: the tool failed.
        StorageFullError: there is no room.
        MissingExtraError: the tool is not installed.
    """
    try:
        with storage_errors(what):
            yield
    except (SeatrialError, MemoryError):
        raise
    except ImportError as error:
        raise MissingExtraError(error.name or "a conversion tool", "convert") from error
    except Exception as error:
        with storage_errors(what):
            _require_room(directory, needed_bytes)
        first_line = next(iter(str(error).strip().splitlines()), "")
        raise ConversionError(
            f"Could not {what} ({type(error).__name__}: {first_line[:300]}): "
            "check the source with seatrial models verify, then convert it again."
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences what conversion tools say on the way and nobody can act upon.

    The TorchScript exporter warns that it is old, and of branches it traces; the quantiser writes straight to the
    root logger, which would install a handler there.
    """
    root, runtime = logging.getLogger(), logging.getLogger("onnxruntime")
    level, silence = runtime.level, logging.NullHandler()
    root.addHandler(silence)
    root.addFilter(_nothing)
    runtime.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You are using the legacy TorchScript-based ONNX export")
            warnings.filterwarnings("ignore", message="The feature will be removed", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message="Converting a tensor to a Python")
            warnings.filterwarnings("ignore", message="Exporting aten::index operator")
            yield
    finally:
        runtime.setLevel(level)
        root.removeFilter(_nothing)
        root.removeHandler(silence)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _require_room(directory: Path, needed_bytes: int) -> None:
    """Raises the operating system's error where a file of that size cannot be written."""
    with tempfile.TemporaryFile(dir=directory) as file:
        os.posix_fallocate(file.fileno(), 0, max(needed_bytes, 1))
