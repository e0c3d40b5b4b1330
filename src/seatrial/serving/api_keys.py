"""Keys: who may ask, and how often; known by their digests only.

A key is 32 random bytes, so a plain SHA-256 of it cannot be guessed back and needs no salt and no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.domain.errors import ConfigError, RateLimitedError, UnauthenticatedError

__all__ = ["ApiKey", "KeyRing", "TokenBucket", "key_line", "new_key", "parse_keys"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_KEY_CHARS = 512
_PREFIX = "st_"
"""Makes a key recognisable to those who search for leaked ones."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key.

    Attributes:
        name: whose it is.
        digest: (32 bytes) SHA-256 of the key.
        requests_per_minute: None for any number.
    """

    name: str
    digest: bytes
    requests_per_minute: int | None = None


class TokenBucket:
    """At most so many requests in a minute, all at once or spread out.

    Args:
        per_minute: how many.
        now_s: on any clock that only goes forward; the same one later.

    Example:
        >>> bucket = TokenBucket(2, now_s=0.0)
        >>> [bucket.take(now_s) for now_s in (0.0, 0.0, 0.0, 30.0)]
        [0.0, 0.0, 30.0, 0.0]
    """

    def __init__(self, per_minute: int, now_s: float) -> None:
        self.per_minute = per_minute
        self._left = float(per_minute)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Takes one request.

        Returns:
            0, or the seconds after which there is one again; none is taken then.
        """
        per_s = self.per_minute / 60
        self._left = min(float(self.per_minute), self._left + max(0.0, now_s - self._at_s) * per_s)
        self._at_s = now_s
        if self._left < 1:
            return (1 - self._left) / per_s
        self._left -= 1
        return 0.0


class KeyRing:
    """The keys of one file, with what each has used up.

    Args:
        path: see `parse_keys`.

    Raises:
        ConfigError: the file cannot be read, or a line of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: Mapping[bytes, ApiKey] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self.reread()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self._path,)

    def reread(self) -> None:
        """Takes the file as it is now; what a key has used up stays used up.

        Raises:
            ConfigError: the file cannot be read, or a line of it; the keys stay as they were.
        """
        try:
            written = self._path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The keys in {self._path} cannot be read: {error}. Make the file readable.") from error
        keys = parse_keys(written, str(self._path))
        self._keys = {key.digest: key for key in keys}
        limits = {key.name: key.requests_per_minute for key in keys}
        self._buckets = {
            name: bucket for name, bucket in self._buckets.items() if limits.get(name) == bucket.per_minute
        }

    def admit(self, authorization: str | None, now_s: float) -> str:
        """The name of the key in an Authorization header, one of its requests taken.

        Args:
            authorization: ``Bearer <key>``.
            now_s: as for `TokenBucket`.

        Raises:
            UnauthenticatedError: there is no key, or it is not known.
            RateLimitedError: the key has used up its requests for now.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(key := key.strip()) <= _MOST_KEY_CHARS:
            raise UnauthenticatedError("A key is needed: send the header Authorization: Bearer KEY.")
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        # The lookup's time depends on the digest, which nobody can choose without knowing the key.
        known = self._keys.get(digest)
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise UnauthenticatedError("The key is not known here: use another one, or ask for it to be added.")
        if known.requests_per_minute is not None:
            bucket = self._buckets.setdefault(known.name, TokenBucket(known.requests_per_minute, now_s))
            wait_s = bucket.take(now_s)
            if wait_s > 0:
                raise RateLimitedError(
                    f"{known.name} may ask {known.requests_per_minute} times a minute: come back after Retry-After.",
                    wait_s,
                )
        return known.name


def parse_keys(written: str, origin: str) -> list[ApiKey]:
    r"""The keys of a file: ``name:sha256`` or ``name:sha256:requests_per_minute`` a line, ``#`` begins a comment.

    Args:
        origin: what the file is called in messages.

    Raises:
        ConfigError: a line is neither, or names a name or a key again.

    Example:
        >>> key, = parse_keys(f"# of the web shop\nshop:{'0' * 64}:600", "keys")
        >>> key.name, key.requests_per_minute
        ('shop', 600)
    """
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(written.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        name, _, rest = entry.partition(":")
        digest, has_limit, limit = rest.partition(":")
        possible = _NAME.fullmatch(name) and _DIGEST.fullmatch(digest.lower())
        if not possible or (has_limit and not (limit.isascii() and limit.isdecimal() and 0 < int(limit) < 10**9)):
            raise ConfigError(
                f"{origin}, line {number} is no key: write name:sha256 or name:sha256:requests_per_minute, as "
                "seatrial config new-key prints it."
            )
        key = ApiKey(name, bytes.fromhex(digest), int(limit) if has_limit else None)
        if name in keys or key.digest in {other.digest for other in keys.values()}:
            raise ConfigError(f"{origin}, line {number} has the name or the key of another line: take one of them out.")
        keys[name] = key
    return list(keys.values())


def new_key() -> str:
    """A key nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(name: str, key: str, requests_per_minute: int | None = None) -> str:
    """The line of the file that admits a key.

    Raises:
        ConfigError: the name or the limit cannot stand there.
    """
    limit = "" if requests_per_minute is None else f":{requests_per_minute}"
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}{limit}"
    parse_keys(line, "The new key")
    return line
