"""Certificates that are proven before they are served with."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from seatrial.domain.errors import ConfigError
from seatrial.serving.tls import Certificate
from tests.certificates import write_certificate


def test_a_good_pair_becomes_a_context(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = write_certificate(tmp_path)
    certificate = Certificate(pair.cert, pair.key)
    assert certificate.paths == (pair.cert, pair.key)
    assert certificate.context.minimum_version.name in ("TLSv1_2", "TLSv1_3")
    assert not caplog.records


def test_a_certificate_that_ends_soon_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = write_certificate(tmp_path, days=5)
    Certificate(pair.cert, pair.key)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert 4.9 < vars(record)["days"] <= 5


def test_each_fault_is_a_sentence_of_its_own(tmp_path: Path) -> None:
    good, other = write_certificate(tmp_path), write_certificate(tmp_path, "other")
    expired = write_certificate(tmp_path, "expired", days=-1)
    early = write_certificate(tmp_path, "early", days=400)
    locked = write_certificate(tmp_path, "locked", password=b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("no PEM")
    for cert, key, words in (
        (tmp_path / "absent", good.key, r"serving\.tls_cert_file.*absent.*No such file"),
        (good.cert, tmp_path / "absent", r"serving\.tls_key_file.*absent"),
        (tmp_path, good.key, "directory"),
        (good.cert, other.key, r"other\.key is not the key of .*localhost\.crt"),
        (expired.cert, expired.key, "expired"),
        (early.cert, early.key, "not yet valid"),
        (locked.cert, locked.key, "without a password"),
        (rubbish, good.key, "no PEM files"),
        (good.cert, rubbish, "no PEM files"),
    ):
        with pytest.raises(ConfigError, match=words):
            Certificate(cert, key)


def test_a_bad_renewal_leaves_the_context_as_it_was(tmp_path: Path) -> None:
    good, other = write_certificate(tmp_path), write_certificate(tmp_path, "other")
    certificate = Certificate(good.cert, good.key)
    before = certificate.context.get_ca_certs(), good.key.read_bytes()
    good.key.write_bytes(other.key.read_bytes())
    with pytest.raises(ConfigError):
        certificate.reread()
    assert certificate.context.get_ca_certs() == before[0]
    good.cert.write_bytes(other.cert.read_bytes())
    certificate.reread()
