"""Who may use /admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.domain.errors import RateLimitedError, UnauthenticatedError
from seatrial.serving.api_keys import KeyRing, key_line
from seatrial.serving.internal_access import is_local, require_admin


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::1%lo"])
@pytest.mark.parametrize("host", ["localhost", "localhost:9090", "127.0.0.1:9090", "[::1]:9090", "LOCALHOST"])
def test_this_machine_under_a_name_of_its_own_is_local(peer: str, host: str) -> None:
    assert is_local(peer, host, None)


@pytest.mark.parametrize(
    ("peer", "host", "origin"),
    [
        (None, "localhost", None),
        ("10.0.0.7", "localhost", None),
        ("::ffff:10.0.0.7", "localhost", None),
        ("nonsense", "localhost", None),
        ("", "localhost", None),
        ("127.0.0.1", None, None),
        ("127.0.0.1", "", None),
        ("127.0.0.1", "evil.example:9090", None),
        ("127.0.0.1", "localhost.evil.example", None),
        ("127.0.0.1", "127.0.0.1.evil.example", None),
        ("127.0.0.1", "evil.example@localhost.example", None),
        ("127.0.0.1", "0.0.0.0:9090", None),
        ("127.0.0.1", "[::1", None),
        ("127.0.0.1", "localhost/@evil", "https://evil.example"),
        ("127.0.0.1", "localhost:9090", "null"),
        ("127.0.0.1", "localhost:9090", "http://localhost:3000"),
    ],
)
def test_everything_else_is_not(peer: str | None, host: str | None, origin: str | None) -> None:
    assert not is_local(peer, host, origin)


def scope(peer: str | None = "127.0.0.1", **headers: str) -> dict[str, Any]:
    given = {"host": "localhost:9090", **headers}
    return {
        "client": None if peer is None else (peer, 5),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }


@pytest.fixture
def tokens(tmp_path: Path) -> KeyRing:
    (tmp_path / "tokens").write_text(f"{key_line('ann', 'right')}\n{key_line('bob', 'rare', 1)}")
    return KeyRing(tmp_path / "tokens")


def test_this_machine_needs_no_token(tokens: KeyRing) -> None:
    assert require_admin(scope(), None, 0.0) == require_admin(scope(), tokens, 0.0) == "local"


def test_others_need_a_token(tokens: KeyRing) -> None:
    assert require_admin(scope("10.0.0.7", authorization="Bearer right"), tokens, 0.0) == "ann"
    assert require_admin(scope(host="box:9090", authorization="Bearer right"), tokens, 0.0) == "ann"
    for stranger in (scope("10.0.0.7"), scope("10.0.0.7", authorization="Bearer wrong"), scope(None)):
        with pytest.raises(UnauthenticatedError):
            require_admin(stranger, tokens, 0.0)


def test_a_token_that_is_shown_is_checked_even_here(tokens: KeyRing) -> None:
    assert require_admin(scope(authorization="Bearer right"), tokens, 0.0) == "ann"
    with pytest.raises(UnauthenticatedError):
        require_admin(scope(authorization="Bearer wrong"), tokens, 0.0)
    assert require_admin(scope(authorization="Bearer wrong"), None, 0.0) == "local"


def test_without_a_token_file_others_are_told_what_to_set() -> None:
    with pytest.raises(UnauthenticatedError, match=r"serving\.admin_token_file"):
        require_admin(scope("10.0.0.7", authorization="Bearer right"), None, 0.0)


def test_a_token_may_be_limited_too(tokens: KeyRing) -> None:
    asked = scope("10.0.0.7", authorization="Bearer rare")
    assert require_admin(asked, tokens, 0.0) == "bob"
    with pytest.raises(RateLimitedError):
        require_admin(asked, tokens, 0.0)
