"""What is loaded and can answer: variants, and which of them a request gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seatrial.bundle import Bundle
from seatrial.domain.errors import InvalidRequestError, ModelNotServedError, UsageError
from seatrial.domain.inference import InferenceEngine, TokenBatch
from seatrial.text.labels import label_names, softmax
from seatrial.text.layout import lay_out
from seatrial.text.tokenizer import Tokenizer

__all__ = ["TextScore", "Variant", "load_variant", "pick_variant"]


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
        pad_id: fills padded cells.
    """

    model: str
    version: str
    labels: tuple[str, ...]
    tokenizer: Tokenizer
    engine: InferenceEngine
    pad_id: int = 0

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f"{self.model}@{self.version}"

    def score(self, tokens: TokenBatch) -> list[TextScore]:
        """Labels and probabilities of one batch, as plain objects: made here, they are made in a worker thread.

        Raises:
            InferenceError: the engine failed.
        """
        logits = self.engine.infer(lay_out(tokens, self.engine.artifact.layout, self.pad_id)).logits
        return list(map(TextScore, label_names(logits, self.labels), softmax(logits).tolist()))


def load_variant(bundle: Bundle, load_engine: Callable[[Bundle], InferenceEngine]) -> Variant:
    """Loads a bundle whose findings allow serving, after every file was checked against its digest.

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
    )


def pick_variant(variants: Sequence[Variant], model: str | None, default_model: str) -> Variant:
    """Which variant answers a request: pure, so that the same request always gets the same one.

    Args:
        variants: what is loaded, at least one, in the order it was asked for.
        model: the model that the request names, None where it names none.
        default_model: the model for requests that name none; empty: the only one.

    Raises:
        ModelNotServedError: the model is not loaded.
        InvalidRequestError: the request names no model and several are loaded.
    """
    names = list(dict.fromkeys(variant.model for variant in variants))
    name = model or default_model or (names[0] if len(names) == 1 else "")
    if not name:
        raise InvalidRequestError(
            f"Several models are served ({', '.join(names)}): ask one of them with POST /models/NAME/predict."
        )
    for variant in variants:
        if variant.model == name:
            return variant
    raise ModelNotServedError(f"No model {name!r} is served here, only {', '.join(names)}: ask one of them.")
