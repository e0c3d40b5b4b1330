"""From the setting `data.source` to an opened source."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from seatrial.config import DataSettings
from seatrial.data.packages import PackageFile, fetch_package
from seatrial.data.sources.reviews_en import REVIEWS_EN_PACKAGE, ReviewsEn
from seatrial.data.sources.reviews_zh import REVIEWS_ZH_PACKAGE, ReviewsZh
from seatrial.data.sources.source import DataSource
from seatrial.data.sources.table_file import TableFile
from seatrial.data.web import Web, locked, split_address
from seatrial.domain.errors import SourceError, UsageError
from seatrial.domain.progress import SILENT, Progress

__all__ = ["PACKAGED_SOURCES", "open_source"]

PACKAGED_SOURCES: dict[str, tuple[PackageFile, Callable[[Path], DataSource]]] = {
    "reviews-en": (REVIEWS_EN_PACKAGE, ReviewsEn),
    "reviews-zh": (REVIEWS_ZH_PACKAGE, ReviewsZh),
}
_LARGEST_DOWNLOAD_BYTES = 16 * 2**30


def open_source(
    settings: DataSettings, cache_dir: Path, *, progress: Progress = SILENT, web: Web | None = None
) -> DataSource:
    """The source that `data.source` names; what it needs from elsewhere is fetched here, once.

    A file behind an http address is fetched at its first use and kept in the cache under that address.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        UsageError: an address or an ending nobody can read.
        UnreachableError: the package index or the address does not answer.
    """
    if settings.source in PACKAGED_SOURCES:
        package, opened = PACKAGED_SOURCES[settings.source]
        return opened(fetch_package(package, cache_dir, settings, progress=progress, web=web))
    scheme = split_address(settings.source).scheme if "://" in settings.source else ""
    if scheme in ("http", "https"):
        return TableFile(_downloaded(settings.source, cache_dir, progress, web or Web()), settings)
    if scheme == "file":
        return TableFile(_existing(Path(urllib.request.url2pathname(split_address(settings.source).path))), settings)
    if scheme:
        raise UsageError(f"data.source cannot be a {scheme}:// address: use http://, https://, file:// or a path.")
    return TableFile(_existing(Path(settings.source).expanduser()), settings)


def _existing(path: Path) -> Path:
    try:
        path.open("rb").close()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"data.source: {path} is no file that can be read ({error}). Name one of {', '.join(PACKAGED_SOURCES)}, or "
            "the path or address of a CSV, TSV, JSONL or Parquet file."
        ) from error
    return path


def _downloaded(url: str, cache_dir: Path, progress: Progress, web: Web) -> Path:
    # The end of the address keeps its ending, which tells the format; nothing in it may lead out of the folder.
    last = unquote(split_address(url).path).rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", last)[-100:].lstrip(".") or "rows"
    path = cache_dir / "downloads" / hashlib.sha256(url.encode()).hexdigest() / name
    with locked(path.parent):
        if not path.is_file():
            title = f"fetch {name} (bytes)"
            web.download(url, path, limit_bytes=_LARGEST_DOWNLOAD_BYTES, progress=progress, title=title)
    return path
