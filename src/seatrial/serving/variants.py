"""What is loaded and can answer: one version of a model with its tokenizer and its engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from seatrial.bundle import Bundle
from seatrial.domain.errors import UsageError
from seatrial.domain.inference import FloatArray, InferenceEngine
from seatrial.domain.model import Layout
from seatrial.serving.payload import Payload
from seatrial.text.labels import scored_rows
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["Reader", "TextScore", "Variant", "load_variant"]


class Reader(Protocol):
    """What turns texts into what the engine takes; a `Tokenizer` is one."""

    @property
    def inline_chars(self) -> int:
        """Up to how many characters it may read on the event loop."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most tokens of a text."""
        ...

    @property
    def token_ids(self) -> int:
        """How many ids there are, the first one 0; 0 where only texts are read."""
        ...

    def effective_length(self, max_length: int) -> int:
        """The limit that applies where a client asks for `max_length` tokens."""
        ...

    def encode(self, texts: Sequence[str], max_length: int) -> Payload:
        """The texts, each cut to `max_length` tokens."""
        ...


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
    tokenizer: Reader
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

    def score(self, payload: Any, *, all_cores: bool = False) -> FloatArray:
        """Logits of one batch, (texts, labels) float32.

        Args:
            payload: what `tokenizer` made, or a TokenBatch.

        Raises:
            InferenceError: the engine failed.
        """
        engine = self.wide_engine if all_cores and self.wide_engine is not None else self.engine
        return engine.infer(lay_out(payload, engine.artifact.layout, self.pad_id)).logits

    def scores(self, logits: FloatArray) -> list[TextScore]:
        """Labels and probabilities, as plain objects."""
        return [TextScore(label, probabilities) for label, probabilities in scored_rows(logits, self.labels)]

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
