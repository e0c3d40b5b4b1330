"""Errors to exit codes: the only place that knows them.

0 done; 1 a finding says no; 2 usage or configuration; 3 a dependency is unreachable.
"""

from __future__ import annotations

from seatrial.domain.errors import DependencyError, SeatrialError

__all__ = ["DONE", "FINDING_SAYS_NO", "UNREACHABLE", "USAGE", "code_of"]

DONE = 0
FINDING_SAYS_NO = 1
USAGE = 2
UNREACHABLE = 3


def code_of(error: SeatrialError) -> int:
    """The exit code of an error.

    Example:
        >>> from seatrial.domain.errors import UnreachableError, UsageError
        >>> code_of(UsageError("no")), code_of(UnreachableError("gone"))
        (2, 3)
    """
    return UNREACHABLE if isinstance(error, DependencyError) else USAGE
