"""`reviews-en`: human-rated English sentences about films and products, and tweets (Hutto and Gilbert, 2014)."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from pathlib import Path

from seatrial.data.archives import read_tar_members
from seatrial.data.packages import PackageFile
from seatrial.data.sources.source import RawRow, SourceFacts
from seatrial.domain.errors import SourceError

__all__ = ["REVIEWS_EN_PACKAGE", "ReviewsEn"]

REVIEWS_EN_PACKAGE = PackageFile(
    "vaderSentiment",
    "3.3.2",
    "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    2_466_783,
)
_INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
# The fourth file, newspaper editorials, is left out on purpose: it is no review, and makes a natural drift set.
_FILES = {
    "movie": "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    "product": "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
    "tweet": "hutto_ICWSM_2014/tweets_GroundTruth.txt",
}
_WEAKEST_RATING = 0.5
_LIMIT_BYTES = 64 * 2**20


class ReviewsEn:
    """Sentences rated by at least 20 people from -4 to 4; the label is the sign of a mean rating of 0.5 or more.

    The group is the review a sentence was cut from, so that no review stands on two sides of the split.
    """

    def __init__(self, sdist: Path) -> None:
        self._sdist = sdist

    @property
    def facts(self) -> SourceFacts:
        """Licence, origin, digest and caveats, for the data card."""
        return SourceFacts(
            name="reviews-en",
            description="English sentences from film reviews, product reviews and tweets, rated by people.",
            origin=f"{REVIEWS_EN_PACKAGE.filename} of the Python package {REVIEWS_EN_PACKAGE.requirement}",
            sha256=REVIEWS_EN_PACKAGE.sha256,
            licence="MIT",
            citation=(
                "Hutto, C.J. & Gilbert, E.E. (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of "
                "Social Media Text. Eighth International Conference on Weblogs and Social Media (ICWSM-14)."
            ),
            caveats=(
                f"Sentences rated between -{_WEAKEST_RATING} and {_WEAKEST_RATING} are left out as neutral.",
                "Product sentences are lower-cased by the source.",
            ),
        )

    def rows(self) -> Iterator[RawRow]:
        """Every sentence with a clear rating, films first."""
        with self._sdist.open("rb") as stream:
            inner = read_tar_members(stream, [_INNER], limit_bytes=_LIMIT_BYTES, where=str(self._sdist))[_INNER]
        members = read_tar_members(io.BytesIO(inner), _FILES.values(), limit_bytes=_LIMIT_BYTES, where=_INNER)
        for domain, name in _FILES.items():
            yield from _sentences(domain, name, members[name])


def _sentences(domain: str, name: str, content: bytes) -> Iterator[RawRow]:
    """Rows of a file with the columns id, mean rating and sentence; an id is a review's number, `_`, a sentence's."""
    filename = name.rpartition("/")[2]
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{filename} is not UTF-8 at byte {error.start}: fetch the package again.") from error
    for number, line in enumerate(lines, start=1):
        place = f"{filename} line {number}"
        if not line.strip():
            continue
        try:
            sentence_id, rating, text = line.rstrip("\r").split("\t")
            strength = float(rating)
        except ValueError as error:
            raise SourceError(f"{place} is not an id, a rating and a sentence: fetch the package again.") from error
        if abs(strength) >= _WEAKEST_RATING:
            yield RawRow(
                place=place,
                text=html.unescape(text),  # tweets carry &amp; and &lt; for what people typed
                label="positive" if strength > 0 else "negative",
                group=f"{domain}-{sentence_id.partition('_')[0]}",
                domain=domain,
                id=f"{domain}-{sentence_id}",
            )
