"""The clients through keys, HTTPS and a Unix socket of the real data plane."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.client import AsyncClient, Client, Patience
from seatrial.domain.errors import RateLimitedError, UnauthenticatedError, UnreachableError
from seatrial.serving.api_keys import key_line
from tests.builders import onnx_bundle
from tests.certificates import write_certificate
from tests.data_plane import running

ONCE = Patience(attempts=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


def test_keys_are_shown_and_their_limits_heard(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{key_line('free', 'st_free')}\n{key_line('tight', 'st_tight', 1)}\n")
    with running([bundle], api_keys_file=str(tmp_path / "keys")) as run:
        url = run.addresses.public_url
        with Client(url) as client, pytest.raises(UnauthenticatedError):
            client.predict("good")
        with Client(url, api_key="st_other") as client, pytest.raises(UnauthenticatedError):
            list(client.predict_many(["good"] * 10))
        with Client(url, api_key="st_free") as client:
            assert client.predict("good").labels == ["positive"]
        with Client(url, api_key="st_tight", patience=ONCE) as client:
            client.predict("good")
            with pytest.raises(RateLimitedError) as raised:
                client.predict("good")
            assert raised.value.retry_after_s > 1


def test_https_is_believed_only_with_its_authority(bundle: Bundle, tmp_path: Path) -> None:
    pair = write_certificate(tmp_path)
    with running([bundle], tls_cert_file=str(pair.cert), tls_key_file=str(pair.key)) as run:
        url = run.addresses.public_url
        with Client(url, verify=str(pair.cert)) as client:
            assert client.predict("good").labels == ["positive"]
        with Client(url, patience=ONCE) as client, pytest.raises(UnreachableError, match=r"(?i)certificate"):
            client.predict("good")


def test_a_unix_socket_of_the_data_plane(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "plane.sock"
    with running([bundle], uds=str(path)):
        with Client(f"unix:{path}") as client:
            assert client.predict("good").labels == ["positive"]

        async def ask() -> list[str]:
            async with AsyncClient(f"unix:{path}") as client:
                return [item.label async for item in client.predict_many(["good", "bad"] * 50)]

        assert asyncio.run(ask()) == ["positive", "negative"] * 50
