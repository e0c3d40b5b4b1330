"""Which HTTP status each error gets on the control plane's API: the only place of it that knows."""

from __future__ import annotations

from seatrial.domain.errors import (
    ConfigError,
    DependencyError,
    LedgerConflictError,
    ModelError,
    RefusedArtifactError,
    RoleError,
    SeatrialError,
    UnauthenticatedError,
    UnknownArtifactError,
    UnknownExperimentError,
    UnknownModelError,
    UnknownReleaseError,
    UnknownVersionError,
)

__all__ = ["BEGUN", "REFUSED", "TOO_LARGE", "status_of"]

BEGUN, REFUSED, TOO_LARGE = 201, 409, 413

_STATUSES: tuple[tuple[type[SeatrialError], int], ...] = (
    (UnauthenticatedError, 401),
    (RoleError, 403),
    (UnknownReleaseError, 404),
    (UnknownExperimentError, 404),
    (UnknownModelError, 404),
    (UnknownVersionError, 404),
    (UnknownArtifactError, 404),
    (RefusedArtifactError, 409),
    (LedgerConflictError, 409),
    (ConfigError, 400),
    (ModelError, 422),
    (DependencyError, 503),
)


def status_of(error: Exception) -> int:
    """The status of an error; 500 for what nobody foresaw.

    Example:
        >>> status_of(UnknownModelError("no")), status_of(ZeroDivisionError())
        (404, 500)
    """
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
