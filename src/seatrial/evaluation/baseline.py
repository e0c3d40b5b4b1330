"""The model to beat: TF-IDF with logistic regression, trained in seconds on the same rows.

A transformer that does not beat it costs a hundred times as much for nothing, and that should be known before it is
served.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import DataError, MissingExtraError
from seatrial.domain.inference import IntArray

__all__ = ["BASELINE", "predict_baseline", "written_without_spaces"]

BASELINE = "TF-IDF + logistic regression"

# Letters of scripts that put no space between words: kana, Han with its extensions, Thai to Lao, Khmer.
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff\U00020000-\U000323af]"
)
_LETTER = re.compile(r"[^\W\d_]")
_SAMPLE_TEXTS = 1000
_MOST_TERMS = 200_000
_MANY_ROWS = 1000
"""From so many training rows on a term must occur in two of them: a term seen once teaches nothing."""


def predict_baseline(dataset: Dataset) -> IntArray:
    """(test rows,) int64: the labels that a baseline trained on the training rows gives to the test rows.

    Raises:
        DataError: the training rows hold nothing to learn from: one class only, or no words.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error
    train = dataset.train
    terms = TfidfVectorizer(sublinear_tf=True, max_features=_MOST_TERMS, dtype=np.float32, **_terms_of(train.texts))
    baseline = make_pipeline(terms, LogisticRegression(C=3.0, max_iter=100))
    with warnings.catch_warnings():
        # A fit that stops at its limit of iterations is as good as its accuracy, which is measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            baseline.fit(train.texts, train.labels)
        except ValueError as error:
            raise DataError(f"No baseline can be trained on these {len(train):,} rows: {error}") from error
    return np.asarray(baseline.predict(dataset.test.texts), np.int64)


def written_without_spaces(texts: Sequence[str]) -> bool:
    """Whether most letters of the first thousand texts are of a script that puts no space between words.

    Example:
        >>> written_without_spaces(["这部电影很好看 iPhone"]), written_without_spaces(["a fine film"])
        (True, False)
    """
    sample = " ".join(texts[:_SAMPLE_TEXTS])
    return 2 * len(_UNSPACED.findall(sample)) > len(_LETTER.findall(sample))


def _terms_of(texts: Sequence[str]) -> Mapping[str, Any]:
    """What counts as a term: one or two words, or one to three characters where there are no spaces."""
    least_rows = 2 if len(texts) >= _MANY_ROWS else 1
    if written_without_spaces(texts):
        return {"analyzer": "char", "ngram_range": (1, 3), "min_df": least_rows}
    return {"analyzer": "word", "ngram_range": (1, 2), "min_df": least_rows}
