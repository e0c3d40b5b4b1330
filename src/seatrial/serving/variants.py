"""What is loaded and can answer: one version of a model with its tokenizer and its engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from seatrial.bundle import Bundle
from seatrial.domain.errors import UsageError
from seatrial.domain.inference import FloatArray, InferenceEngine, TokenBatch
from seatrial.domain.model import Layout
from seatrial.text.labels import label_names, softmax
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["TextScore", "Variant", "load_variant"]


class TextScore(NamedTuple):
    """What a variant says about one text.

    Attributes:
        probabilities: one for each label.
    """

    label: str
    probabilities: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One version of a model, loaded: what turns texts into logits.

    Attributes:
        labels: names of the classes, in the order of the logits' columns.
        engine: computes a call with one thread; all workers share it.
        pad_id: fills padded cells.
        wide_engine: computes a call with all cores, for a text that is alone; None: there is none.
    """

    model: str
    version: str
    labels: tuple[str, ...]
    tokenizer: Tokenizer
    engine: InferenceEngine
    pad_id: int = 0
    wide_engine: InferenceEngine | None = None

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.model}@{self.version}"

    @property
    def pads(self) -> bool:
        """Whether texts of a batch are padded to the longest one."""
        return self.engine.artifact.layout is Layout.PADDED

    def score(self, payload: TokenBatch, *, all_cores: bool = False) -> FloatArray:
        """Logits of one batch, (texts, labels) float32.

        Raises:
            InferenceError: the engine failed.
        """
        engine = self.wide_engine if all_cores and self.wide_engine is not None else self.engine
        return engine.infer(lay_out(payload, engine.artifact.layout, self.pad_id)).logits

    def scores(self, logits: FloatArray) -> list[TextScore]:
        """Labels and probabilities, as plain objects."""
        return list(map(TextScore, label_names(logits, self.labels), softmax(logits).tolist()))

    def close(self) -> None:
        """Gives the engines' memory back; closing twice is allowed."""
        self.engine.close()
        if self.wide_engine is not None:
            self.wide_engine.close()


def load_variant(
    bundle: Bundle,
    load_engine: Callable[[Bundle], InferenceEngine],
    load_wide_engine: Callable[[Bundle], InferenceEngine | None] = lambda _bundle: None,
) -> Variant:
    """Loads a bundle whose findings allow serving, after every file was checked against its digest.

    Args:
        load_engine: makes the engine that computes a call with one thread.
        load_wide_engine: makes the one that uses all cores; None where the artifact gains nothing from it.

    Raises:
        RefusedArtifactError: a finding forbids it.
        BundleError: a file is missing or altered.
        UnsupportedModelError: the engine cannot run it.
        UsageError: the bundle has no version.
    """
    manifest = bundle.manifest
    bundle.require_servable()
    bundle.verify()
    if manifest.version is None:
        raise UsageError(f"{bundle.directory} has no version: register it first with seatrial register.")
    return Variant(
        model=manifest.model,
        version=str(manifest.version),
        labels=manifest.signature.labels,
        tokenizer=Tokenizer.from_file(bundle.tokenizer_path, manifest.signature.max_tokens),
        engine=load_engine(bundle),
        pad_id=manifest.pad_token_id,
        wide_engine=load_wide_engine(bundle),
    )
