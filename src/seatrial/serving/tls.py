"""HTTPS from two files: a context that is proven by a handshake with itself before anybody is served with it."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path

from seatrial.domain.errors import ConfigError

__all__ = ["Certificate"]

logger = logging.getLogger(__name__)

_SOON_S = 14 * 86400.0


class Certificate:
    """A certificate and its key, as a server's TLS context.

    Args:
        cert: PEM, the server's own certificate first, then its chain.
        key: PEM, without a password.

    Raises:
        ConfigError: a file is missing or is none, they do not belong together, or no client would accept them now.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self.cert = cert
        self.key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # whatever this machine's OpenSSL would allow
        self.context.set_alpn_protocols(["http/1.1"])
        self.reread()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The two files."""
        return self.cert, self.key

    def reread(self) -> None:
        """Takes the files as they are now for connections to come; those that are open keep what they have.

        Raises:
            ConfigError: see above; the context stays as it was.
        """
        for path, setting in ((self.cert, "tls_cert_file"), (self.key, "tls_key_file")):
            try:
                path.read_bytes()
            except OSError as error:
                reason = f"serving.{setting}: {path} cannot be read ({error.strerror}): name a PEM file."
                raise ConfigError(reason) from error
        proof = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load_into(proof)
        left_s = self._valid_for_s(proof)
        if left_s < _SOON_S:
            logger.warning("certificate expires soon", extra={"file": str(self.cert), "days": left_s / 86400})
        self._load_into(self.context)

    def _load_into(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                reason = f"{self.key} is not the key of {self.cert}: name the two that belong together."
            else:
                reason = f"{self.cert} and {self.key} are no PEM files of a certificate and its key without a password."
            raise ConfigError(reason) from error

    def _valid_for_s(self, server: ssl.SSLContext) -> float:
        """How long clients will accept the certificate, as a handshake with one that trusts it tells."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.load_verify_locations(self.cert)
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            seen = _handshake(server, client)
        except ssl.SSLCertVerificationError as error:
            reason = (
                f"No client will accept {self.cert} ({error.verify_message}): renew it, or set this machine's clock."
            )
            raise ConfigError(reason) from error
        except ssl.SSLError as error:
            raise ConfigError(f"{self.cert} does not work with TLS ({error.reason}): make a new one.") from error
        return ssl.cert_time_to_seconds(str(seen["notAfter"])) - time.time()


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    """Lets the two talk to each other in memory; what the client has seen of the certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    waiting = set(ends)
    while waiting:
        for end in ends:
            if end in waiting:
                try:
                    end.do_handshake()
                    waiting.discard(end)
                except ssl.SSLWantReadError:
                    pass
    return dict(ends[0].getpeercert() or {})


def _no_password() -> bytes:
    """Stands in for OpenSSL's question at the terminal, so that a locked key is an error and no prompt."""
    return b""
