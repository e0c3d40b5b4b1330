from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.data.sources.reviews_en import ReviewsEn
from seatrial.domain.errors import SourceError
from tests.package_index import tar_gz

FOLDER = "hutto_ICWSM_2014"
MOVIES = b"1\t2.5\tA  gem.\r\n2\t-0.5\tEffective but tepid.\r\n3\t0.49\tA film.\r\n"
PRODUCTS = b"\xef\xbb\xbf7_1\t-0.9\tno picture .\r\n7_2\t0.5\tnice remote .\r\n\r\n8_1\t1.5\tgreat .\r\n"
TWEETS = "1\t-3\tAwful &amp; sad &lt;/3 é".encode()


def sdist(path: Path, **files: bytes) -> Path:
    """The archive in an archive that the real package is."""
    contents = {
        "movieReviewSnippets": MOVIES, "amazonReviewSnippets": PRODUCTS, "tweets": TWEETS, **files,
    }  # fmt: skip
    inner = tar_gz({f"{FOLDER}/{name}_GroundTruth.txt": content for name, content in contents.items()})
    path.write_bytes(tar_gz({f"vaderSentiment-3.3.2/additional_resources/{FOLDER}.tar.gz": inner}))
    return path


def test_clear_ratings_become_labels_and_reviews_become_groups(tmp_path: Path) -> None:
    rows = list(ReviewsEn(sdist(tmp_path / "s.tar.gz")).rows())
    assert [(row.id, row.group, row.domain, row.label, row.text) for row in rows] == [
        ("movie-1", "movie-1", "movie", "positive", "A  gem."),
        ("movie-2", "movie-2", "movie", "negative", "Effective but tepid."),
        ("product-7_1", "product-7", "product", "negative", "no picture ."),
        ("product-7_2", "product-7", "product", "positive", "nice remote ."),
        ("product-8_1", "product-8", "product", "positive", "great ."),
        ("tweet-1", "tweet-1", "tweet", "negative", "Awful & sad </3 é"),
    ]
    assert rows[3].place == "amazonReviewSnippets_GroundTruth.txt line 2"


@pytest.mark.parametrize("line", [b"1\ttwo\tA gem.", b"1\t2.5", b"1\t2.5\ta\tb"])
def test_a_line_of_another_form_is_named(line: bytes, tmp_path: Path) -> None:
    source = ReviewsEn(sdist(tmp_path / "s.tar.gz", tweets=TWEETS + b"\n" + line))
    with pytest.raises(SourceError, match=r"tweets_GroundTruth\.txt line 2 is not an id, a rating and a sentence"):
        list(source.rows())


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    source = ReviewsEn(sdist(tmp_path / "s.tar.gz", tweets=b"1\t-3\t\xe9"))
    with pytest.raises(SourceError, match=r"tweets_GroundTruth\.txt is not UTF-8 at byte 5"):
        list(source.rows())
