"""Who may do what over the HTTP API."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.control.tokens import Caller, Role, parse_tokens, read_tokens, token_line, who_asks
from seatrial.domain.errors import ConfigError, RoleError, UnauthenticatedError

LOCAL = Caller("ann@here", Role.ADMIN)


def test_a_token_names_its_caller() -> None:
    callers = parse_tokens(token_line("bob", "releaser", "secret"), "tokens")
    assert who_asks("Bearer secret", None, callers) == Caller("bob", Role.RELEASER)
    assert who_asks(None, LOCAL, callers) == LOCAL
    for header in ("Bearer other", "Basic secret", "Bearer", ""):
        with pytest.raises(UnauthenticatedError):
            who_asks(header, LOCAL, callers)
    with pytest.raises(UnauthenticatedError, match="A token is needed"):
        who_asks(None, None, callers)


def test_a_role_may_do_what_lower_ones_may() -> None:
    Caller("bob", Role.ADMIN).require(Role.VIEWER)
    Caller("bob", Role.RELEASER).require(Role.RELEASER)
    with pytest.raises(RoleError, match="bob is viewer and may not do that: it takes releaser"):
        Caller("bob", Role.VIEWER).require(Role.RELEASER)


@pytest.mark.parametrize(
    "line", ["bob", "bob:releaser", f"bob:king:{'0' * 64}", f"b b:viewer:{'0' * 64}", "bob:viewer:xyz", ":::"]
)
def test_a_line_that_is_no_token_is_told_with_its_place(line: str) -> None:
    with pytest.raises(ConfigError, match="tokens, line 2"):
        parse_tokens(f"# people\n{line}", "tokens")


def test_names_and_tokens_stand_once(tmp_path: Path) -> None:
    line = token_line("bob", "viewer", "secret")
    for other in (token_line("bob", "admin", "another"), token_line("eve", "admin", "secret")):
        with pytest.raises(ConfigError, match="of another line"):
            parse_tokens(f"{line}\n{other}", "tokens")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(tmp_path / "absent")
