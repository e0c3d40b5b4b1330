from __future__ import annotations

import errno

import pytest

from seatrial.cli.exit_codes import UNREACHABLE, USAGE, code_of, explained
from seatrial.domain.errors import (
    AnswerLostError,
    InvalidRequestError,
    MissingExtraError,
    OverloadedError,
    SeatrialError,
    StorageFullError,
    UnreachableError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UsageError("no"), UsageError),
        (ModuleNotFoundError(name="pyarrow.parquet"), MissingExtraError),
        (OSError(errno.EDQUOT, "Quota exceeded"), StorageFullError),
        (OSError(errno.EFBIG, "File too large"), StorageFullError),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), UnreachableError),
        (TimeoutError(), UnreachableError),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), UsageError),
    ],
)
def test_what_can_be_explained(error: Exception, kind: type[SeatrialError]) -> None:
    assert type(explained(error)) is kind


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError(name="somebodys"), ImportError("x"), KeyError("x"), MemoryError()]
)
def test_what_nobody_foresaw(error: Exception) -> None:
    assert explained(error) is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AnswerLostError("no"), UNREACHABLE),
        (OverloadedError("no", 1.0), UNREACHABLE),
        (InvalidRequestError("no"), USAGE),
    ],
)
def test_a_server_that_has_no_time_is_something_outside(error: SeatrialError, code: int) -> None:
    assert code_of(error) == code
