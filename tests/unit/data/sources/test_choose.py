from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.config import DataSettings
from seatrial.data.sources.choose import open_source
from seatrial.data.web import Web
from seatrial.domain.errors import SourceError, UnreachableError, UsageError
from tests.package_index import Answer, LoopbackServer, serve

WEB = Web(timeout_s=10, pause_s=0)
CSV = b"text,label\nfine,good\n"


def texts(source: str, cache_dir: Path, **settings: str) -> list[object]:
    opened = open_source(DataSettings.model_validate({"source": source, **settings}), cache_dir, web=WEB)
    return [row.text for row in opened.rows()]


def test_a_path_and_a_file_address(tmp_path: Path) -> None:
    path = tmp_path / "some rows.csv"
    path.write_bytes(CSV)
    assert texts(str(path), tmp_path) == texts(path.as_uri(), tmp_path) == ["fine"]


def test_an_http_address_is_fetched_once(server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put("/rows.csv?key=1", Answer(CSV))
    assert texts(url, tmp_path) == texts(url, tmp_path) == ["fine"]
    assert server.asked("/rows.csv?key=1") == 1
    assert texts(server.put("/rows.csv?key=2", Answer(b"text,label\nother,bad\n")), tmp_path) == ["other"]


def test_the_origin_in_the_card_holds_no_secret(server: LoopbackServer, tmp_path: Path) -> None:
    server.put("/rows.csv?key=secret", Answer(CSV))
    address = server.url.replace("://", "://ann:secret@") + "/rows.csv?key=secret"
    facts = open_source(DataSettings(source=address), tmp_path, web=WEB).facts
    assert facts.origin == f"{server.url}/rows.csv"
    assert "secret" not in str(facts)


@pytest.mark.parametrize("path", ["/a/..", "/%2e%2e%2f%2e%2e%2fetc.csv", "/", f"/{'x' * 400}.csv"])
def test_no_address_leads_out_of_the_cache(path: str, server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put(path, Answer(CSV))
    assert texts(url, tmp_path / "cache", format="csv") == ["fine"]
    (kept,) = (file for file in tmp_path.rglob("*") if file.is_file() and file.name != ".lock")
    assert kept.resolve().is_relative_to(tmp_path / "cache" / "downloads")


def test_an_address_without_an_ending_needs_the_format(server: LoopbackServer, tmp_path: Path) -> None:
    url = server.put("/export", Answer(CSV))
    with pytest.raises(UsageError, match=r"set data\.format"):
        texts(url, tmp_path)
    assert texts(url, tmp_path, format="csv") == ["fine"]


@pytest.mark.parametrize("source", ["reviews-fr", "/", "x" * 300, "nul\0.csv"])
def test_a_file_that_cannot_be_read_lists_what_can_be_named(source: str, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"no file that can be read .* Name one of reviews-en, reviews-zh, or the path"
    ):
        texts(source, tmp_path)


@pytest.mark.parametrize("source", ["s3://bucket/rows.csv", "http://[broken/rows.csv"])
def test_an_address_nobody_can_read_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        texts(source, tmp_path)


def test_an_address_that_does_not_answer(tmp_path: Path) -> None:
    with serve() as stopped:
        url = f"{stopped.url}/rows.csv"
    with pytest.raises(UnreachableError):
        texts(url, tmp_path)
