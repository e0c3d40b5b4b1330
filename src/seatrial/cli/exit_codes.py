"""Errors to exit codes: the only place that knows them.

0 done; 1 a finding says no; 2 usage or configuration; 3 a dependency is unreachable; 70 a fault of Seatrial itself;
130 ended by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import errno

from seatrial.domain.errors import (
    DeadlineExceededError,
    DependencyError,
    InferenceError,
    OverloadedError,
    RateLimitedError,
    SeatrialError,
    StorageFullError,
    UnreachableError,
    UsageError,
)
from seatrial.flows.extras import missing_extra

__all__ = ["DONE", "FAULT", "FINDING_SAYS_NO", "TERMINATED", "UNREACHABLE", "USAGE", "code_of", "explained"]

DONE = 0
FINDING_SAYS_NO = 1
USAGE = 2
UNREACHABLE = 3
FAULT = 70
TERMINATED = 143

_OUTSIDE = (DependencyError, OverloadedError, RateLimitedError, DeadlineExceededError, InferenceError)


def code_of(error: SeatrialError) -> int:
    """The exit code of an error.

    Example:
        >>> from seatrial.domain.errors import UnreachableError, UsageError
        >>> code_of(UsageError("no")), code_of(UnreachableError("gone"))
        (2, 3)
    """
    return UNREACHABLE if isinstance(error, _OUTSIDE) else USAGE


def explained(error: Exception) -> SeatrialError | None:
    """The error as one of Seatrial's: itself, a package that is not installed, or a word of the operating system.

    Returns:
        None for what nobody foresaw: a fault of Seatrial.

    Example:
        >>> str(explained(PermissionError(13, "Permission denied", "/etc/x")))
        '/etc/x: Permission denied. Choose another place, or see to its rights.'
        >>> explained(ZeroDivisionError()) is None
        True
    """
    if isinstance(error, SeatrialError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return missing_extra(error)
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFullError(f"{where}No room: free some space and run the command again.")
    if isinstance(error, ConnectionError | TimeoutError):
        return UnreachableError(f"{where}{error.strerror or error}. Check that what should answer is running.")
    return UsageError(f"{where}{error.strerror or error}. Choose another place, or see to its rights.")
