"""Who may do what over the HTTP API: tokens with a name and a role, known by their digests only."""

from __future__ import annotations

import enum
import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.domain.errors import ConfigError, RoleError, UnauthenticatedError
from seatrial.wiring.access import follower_of

__all__ = ["Caller", "Role", "TokenFile", "parse_tokens", "read_tokens", "token_line", "who_asks"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_CHARS = 512


class Role(enum.IntEnum):
    """What somebody may do; each may do what those before it may.

    VIEWER look; RELEASER start releases and act on them; ADMIN break the glass and force weak plans.
    """

    VIEWER = 0
    RELEASER = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the record names them, and what they may do."""

    name: str
    role: Role

    def require(self, role: Role) -> None:
        """Raises RoleError where the role is lower."""
        if self.role < role:
            raise RoleError(
                f"{self.name} is {self.role.name.lower()} and may not do that: it takes {role.name.lower()}. Ask "
                "somebody who is."
            )


def parse_tokens(written: str, origin: str) -> dict[bytes, Caller]:
    r"""The callers of a file by the SHA-256 of their tokens: ``name:role:sha256`` a line, ``#`` begins a comment.

    Args:
        origin: what the file is called in messages.

    Raises:
        ConfigError: a line is none.

    Example:
        >>> list(parse_tokens(f"# people\nann:releaser:{'0' * 64}", "tokens").values())
        [Caller(name='ann', role=<Role.RELEASER: 1>)]
    """
    callers: dict[bytes, Caller] = {}
    for number, line in enumerate(written.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        name, role, digest = (*entry.split(":"), "", "")[:3]
        if not (_NAME.fullmatch(name) and role.upper() in Role.__members__ and _DIGEST.fullmatch(digest.lower())):
            raise ConfigError(
                f"{origin}, line {number} is no token: write name:role:sha256 with a role of viewer, releaser or "
                "admin, as seatrial config new-token prints it."
            )
        caller = Caller(name, Role[role.upper()])
        if bytes.fromhex(digest) in callers or caller.name in {other.name for other in callers.values()}:
            raise ConfigError(f"{origin}, line {number} has the name or the token of another line: take one out.")
        callers[bytes.fromhex(digest)] = caller
    return callers


def read_tokens(path: Path) -> dict[bytes, Caller]:
    """The callers of a file.

    Raises:
        ConfigError: it cannot be read, or a line of it.
    """
    try:
        return parse_tokens(path.read_text("utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"control.tokens_file: {path} cannot be read ({error}).") from error


class TokenFile:
    """The callers of a file, as it is at the moment somebody asks: who is taken out is refused from then on.

    Raises:
        ConfigError: it cannot be read, or a line of it.
    """

    def __init__(self, path: Path) -> None:
        self.paths = (path,)
        self._callers = read_tokens(path)
        self._follower = follower_of(self)
        self._one_at_a_time = threading.Lock()

    @property
    def callers(self) -> Mapping[bytes, Caller]:
        """By the SHA-256 of their tokens; those of before where the file is of no use any more, and the log says so."""
        with self._one_at_a_time:
            self._follower.check()
            return self._callers

    def reread(self) -> None:
        """Takes the file as it is now, or raises ConfigError and stays as it was."""
        self._callers = read_tokens(self.paths[0])


def token_line(name: str, role: str, token: str) -> str:
    """The line of the file that admits a token.

    Raises:
        ConfigError: the name or the role cannot stand there.
    """
    line = f"{name}:{role}:{hashlib.sha256(token.encode()).hexdigest()}"
    parse_tokens(line, "The new token")
    return line


def who_asks(authorization: str | None, local: Caller | None, callers: Mapping[bytes, Caller]) -> Caller:
    """The caller of a request.

    Args:
        authorization: the header, ``Bearer <token>``; None: there is none.
        local: who asks from this machine without a token; None: it comes from elsewhere.

    Raises:
        UnauthenticatedError: nobody who is known.
    """
    if authorization is None:
        if local is None:
            raise UnauthenticatedError("A token is needed: send the header Authorization: Bearer TOKEN.")
        return local
    scheme, _, token = authorization.partition(" ")
    known = callers.get(hashlib.sha256(token.strip()[:_MOST_CHARS].encode("utf-8", "surrogateescape")).digest())
    if scheme.lower() != "bearer" or known is None:
        raise UnauthenticatedError("The token is not known here: use another one, or ask for it to be added.")
    return known
