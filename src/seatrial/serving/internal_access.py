"""Who may use the internal port's /admin paths: this machine itself, or whoever has a token."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from seatrial.domain.errors import UnauthenticatedError
from seatrial.serving.api_keys import KeyRing
from seatrial.serving.asgi import Scope, header

__all__ = ["is_local", "require_admin"]


def is_local(peer: str | None, host: str | None, origin: str | None) -> bool:
    """Whether a request comes from this machine, and not from a web page that is open in a browser on it.

    A page of another site can make a browser ask loopback addresses: under a name of its own that resolves to one (the
    Host header tells), or as a foreign origin (the Origin header tells).

    Args:
        peer: address of the other end, None where it has none.
        host: the Host header.
        origin: the Origin header.

    Example:
        >>> is_local("127.0.0.1", "localhost:9090", None), is_local("127.0.0.1", "rebound.example:9090", None)
        (True, False)
        >>> is_local("10.0.0.7", "localhost:9090", None), is_local("127.0.0.1", "[::1]:9090", "https://evil.example")
        (False, False)
    """
    return peer is not None and _is_loopback(peer) and _names_loopback(f"//{host or ''}") and origin is None


def require_admin(scope: Scope, tokens: KeyRing | None, now_s: float) -> str:
    """The name of who asks: of a token, or ``local``.

    Args:
        scope: of the request.
        tokens: None where no token file is set.
        now_s: as for `KeyRing.admit`.

    Raises:
        UnauthenticatedError: it does not come from this machine, and has no token that is known.
        RateLimitedError: the token has used up its requests for now.
    """
    client = scope.get("client")
    authorization = header(scope, b"authorization")
    if authorization is None or tokens is None:
        if is_local(client[0] if client else None, header(scope, b"host"), header(scope, b"origin")):
            return "local"
        if tokens is None:
            raise UnauthenticatedError(
                "Only this machine may ask that here: ask http://localhost from it, or set serving.admin_token_file."
            )
    return tokens.admit(authorization, now_s)


def _names_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname
    except ValueError:
        return False
    return name == "localhost" or (name is not None and _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
