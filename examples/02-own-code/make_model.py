"""Stands for your own training code: scikit-learn, which knows nothing of Seatrial."""

import itertools
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

WORDS = {
    "billing": ("invoice", "refund", "charged twice", "payment", "receipt"),
    "delivery": ("parcel", "courier", "late", "tracking number", "address"),
    "technical": ("crash", "error message", "update", "password reset", "login"),
}
FRAMES = ("Question about my {}.", "There is a problem with the {}.", "Please help: {}", "My {} again, since Monday.")

rows = [
    (frame.format(word), topic) for topic, words in WORDS.items() for frame, word in itertools.product(FRAMES, words)
]
texts, topics = zip(*rows, strict=True)
model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=30))
joblib.dump(model.fit(texts, topics), Path(__file__).with_name("model.joblib"))
