from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.data.web import Web, locked
from seatrial.domain.errors import ConfigError, SourceError, StorageFullError, UnreachableError, UsageError
from seatrial.domain.progress import Step
from tests.limits import file_size_limit
from tests.package_index import Answer, LoopbackServer, serve

WEB = Web(timeout_s=10, pause_s=0)


class Shown:
    """Remembers what progress was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None]] = []
        self.amount = 0

    @contextlib.contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        self.steps.append((title, total))
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.amount += amount


def download(url: str, destination: Path, limit_bytes: int = 2**20) -> None:
    WEB.download(url, destination, limit_bytes=limit_bytes)


def test_a_file_arrives_whole_and_its_bytes_are_shown(server: LoopbackServer, tmp_path: Path) -> None:
    body = bytes(range(256)) * 2000
    shown = Shown()
    url = server.put("/rows.csv", Answer(body))
    WEB.download(url, tmp_path / "rows.csv", limit_bytes=len(body), progress=shown, title="fetch rows")
    assert (tmp_path / "rows.csv").read_bytes() == body
    assert shown.steps == [("fetch rows", len(body))]
    assert shown.amount == len(body)


def test_a_page_tells_type_and_address(server: LoopbackServer) -> None:
    page = WEB.read(server.put("/page", Answer(b"{}", "application/json; charset=utf-8")), accept="application/json")
    assert (page.body, page.content_type, page.url) == (b"{}", "application/json", f"{server.url}/page")
    assert server.requests[0][1]["Accept"] == "application/json"


def test_a_dropped_connection_is_tried_again(server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put("/rows.csv", Answer(b"x" * 1000, cut_after=400), Answer(b"x" * 1000))
    download(url, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").stat().st_size == 1000
    assert server.asked("/rows.csv") == 2


def test_a_connection_that_always_drops_leaves_nothing(server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put("/rows.csv", Answer(b"x" * 1000, cut_after=400))
    with pytest.raises(UnreachableError, match="broke off after 400 of 1,000 bytes"):
        download(url, tmp_path / "rows.csv")
    assert list(tmp_path.iterdir()) == []
    assert server.asked("/rows.csv") == WEB.attempts


def test_a_failing_server_is_asked_again_and_a_refusal_is_not(server: LoopbackServer) -> None:
    assert WEB.read(server.put("/busy", Answer(status=503), Answer(b"ok"))).body == b"ok"
    with pytest.raises(UnreachableError, match="answered 404 Not Found: check the address"):
        WEB.read(f"{server.url}/absent")
    assert server.asked("/absent") == 1
    with pytest.raises(UnreachableError, match=r"answered 500 .* try again later"):
        WEB.read(server.put("/broken", Answer(status=500)))
    assert server.asked("/broken") == WEB.attempts


def test_a_file_beyond_the_limit_is_refused(server: LoopbackServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="larger than the 999 bytes"):
        download(server.put("/rows.csv", Answer(b"x" * 1000)), tmp_path / "rows.csv", limit_bytes=999)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put("/rows.csv", Answer(b"x" * 100_000))
    with file_size_limit(16 * 2**10), pytest.raises(StorageFullError, match="No room to write"):
        download(url, tmp_path / "rows.csv")
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens() -> None:
    with serve() as stopped:
        url = stopped.url
    with pytest.raises(UnreachableError, match="check the network and the proxy settings"):
        WEB.read(url)


def test_credentials_are_sent_and_never_shown(server: LoopbackServer) -> None:
    server.put("/private?token=hidden", Answer(status=403))
    address = server.url.replace("://", "://ann:s%40cret@") + "/private?token=hidden"
    with pytest.raises(UnreachableError) as caught:
        WEB.read(address)
    assert server.requests[0][1]["Authorization"] == "Basic YW5uOnNAY3JldA=="
    assert not any(secret in str(caught.value) for secret in ("ann", "cret", "hidden"))


def test_credentials_do_not_follow_a_redirect(server: LoopbackServer) -> None:
    with serve() as other:
        elsewhere = other.put("/file", Answer(b"ok"))
        server.put("/file", Answer(status=302, headers={"Location": elsewhere}))
        assert WEB.read(server.url.replace("://", "://ann:secret@") + "/file").body == b"ok"
        assert "Authorization" not in other.requests[0][1]


def test_the_proxy_of_the_environment_is_used(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.put("http://index.invalid/simple/", Answer(b"through the proxy"))
    assert WEB.read("http://index.invalid/simple/").body == b"through the proxy"


@pytest.mark.parametrize("url", ["ftp://host/file", "/no/scheme", "http://[broken/"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        WEB.read(url)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_the_users_certificates_are_trusted(variable: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(context) as server:
        url = server.put("/page", Answer(b"ok"))
        with pytest.raises(UnreachableError, match="set SSL_CERT_FILE"):
            WEB.read(url)
        monkeypatch.setenv(variable, str(certificate))
        assert WEB.read(url).body == b"ok"


def test_a_certificate_file_that_is_none_is_named(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"PIP_CERT names .*ca\.pem"):
        WEB.read(server.url)


def test_one_user_of_a_cache_directory_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "cache"), (tmp_path / "cache" / ".lock").open("w") as second:
        import fcntl

        with pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that only itself vouches for, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
