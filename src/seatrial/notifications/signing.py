"""Signing messages, as the Standard Webhooks specification says, so that its libraries verify them.

Source: standard-webhooks/spec, "Signature scheme": HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from seatrial.domain.errors import ConfigError

__all__ = ["new_secret", "parse_secrets", "signed_headers"]

_PREFIX = "whsec_"
_LEAST_BYTES = 16
_NEW_BYTES = 32


def parse_secrets(written: str, origin: str) -> tuple[bytes, ...]:
    r"""The keys of a file or variable, one a line; during a change of keys both the new and the old one stand there.

    Args:
        written: ``whsec_`` and base64, or any other text, which is then the key itself.
        origin: what it is called in messages, which never show a key.

    Raises:
        ConfigError: there is none, one is too short to be safe, or no base64.

    Example:
        >>> parse_secrets("a long enough secret\n", "here")
        (b'a long enough secret',)
    """
    keys = []
    for number, line in enumerate((line.strip() for line in written.splitlines()), 1):
        if not line:
            continue
        try:
            key = base64.b64decode(line.removeprefix(_PREFIX), validate=True) if line.startswith(_PREFIX) else b""
        except binascii.Error:
            raise ConfigError(
                f"{origin}, line {number}: what follows whsec_ is no base64: seatrial config new-webhook-secret makes "
                "a secret."
            ) from None
        keys.append(key or line.encode())
    if not keys or min(map(len, keys)) < _LEAST_BYTES:
        raise ConfigError(
            f"{origin} holds no secret of at least {_LEAST_BYTES} bytes: seatrial config new-webhook-secret makes one."
        )
    return tuple(keys)


def new_secret() -> str:
    """A secret nobody can guess."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def signed_headers(keys: Sequence[bytes], notice_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """What a receiver needs to know that a message is ours, unaltered, recent, and not one it has had.

    Args:
        timestamp_s: time of this attempt, seconds since the epoch.

    Example:
        >>> signed_headers([b"a long enough secret"], "7-ab", 1700000000, b"{}")["webhook-signature"]
        'v1,d2YrdKHPC2ZME4rNa0nhI4xei8Tu+PlW1HdDtu8E26E='
    """
    signed = b".".join((notice_id.encode(), str(timestamp_s).encode(), body))
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
