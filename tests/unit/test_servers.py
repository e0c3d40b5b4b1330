from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import find_program


def test_a_server_that_is_not_installed_skips_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="seatrial-no-such-server is not installed"):
        find_program("seatrial-no-such-server")


def test_a_server_that_is_not_installed_fails_where_all_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="seatrial-no-such-server is not installed"):
        find_program("seatrial-no-such-server")


def test_a_server_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "seatrial-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("seatrial-server") == program
