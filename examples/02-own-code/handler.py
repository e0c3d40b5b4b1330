"""What Seatrial calls: batching, limits, metrics and both protocols are its business, the model is yours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np


class Topics:
    """The topic of a customer's message."""

    def setup(self, directory: Path) -> None:
        """Once, at the start; `directory` is the project's."""
        self.model = joblib.load(directory / "model.joblib")
        self.labels = [str(topic) for topic in self.model.classes_]

    def decode(self, text: str) -> str:
        """One text of a request; ValueError tells its sender what is wrong with it."""
        if text.isdigit():
            raise ValueError("it is only a number: send the customer's words.")
        return text.lower()

    def predict(self, inputs: list[str]) -> "np.ndarray[Any, Any]":
        """A batch, in a worker thread; texts of several requests come together."""
        return np.asarray(self.model.predict_proba(inputs))

    def encode(self, output: Sequence[float]) -> Sequence[float]:
        """One output as a probability for each label."""
        return output
