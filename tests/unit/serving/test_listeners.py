"""The sockets a data plane listens on."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from seatrial.domain.errors import ConfigError
from seatrial.serving.listeners import listen_on_path, listen_on_port, remove_socket, url_of


def test_a_port_has_an_address_that_this_machine_can_ask() -> None:
    with listen_on_port("127.0.0.1", 0, "port") as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        assert url_of(listener, tls=True) == f"https://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match=rf"{port}.*serving\.internal_port "):
            listen_on_port("127.0.0.1", port, "internal_port")
    with listen_on_port("0.0.0.0", 0, "port") as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


def test_a_path_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    with listen_on_path(path) as listener:
        assert url_of(listener) == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        with pytest.raises(ConfigError, match="another server listens"):
            listen_on_path(path)
        remove_socket(path)
        assert path.exists(), "it is in use"
    remove_socket(path)
    assert not path.exists()
    remove_socket(path)


def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    listen_on_path(path).close()
    assert path.exists()
    with listen_on_path(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    with pytest.raises(ConfigError, match="no socket"):
        listen_on_path(precious)
    (tmp_path / "link").symlink_to(precious)
    with pytest.raises(ConfigError, match="no socket"):
        listen_on_path(tmp_path / "link")
    assert precious.read_text() == "mine"


def test_a_path_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="107 bytes"):
        listen_on_path(tmp_path / ("x" * 120))
    with pytest.raises(ConfigError, match=r"serving\.uds.*No such file"):
        listen_on_path(tmp_path / "absent" / "plane.sock")
