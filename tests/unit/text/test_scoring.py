"""Many texts through an engine: each answer with its own text, whatever company it kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from seatrial.domain.errors import InferenceError
from seatrial.domain.inference import EngineOutput, IntArray, TokenBatch
from seatrial.domain.model import Artifact, ArtifactFormat, Layout, Precision
from seatrial.text.scoring import Company, score


class Echo:
    """An engine whose logits tell each text's first id, its length and its padding; it keeps the shapes it saw."""

    artifact = Artifact("echo", ArtifactFormat.ONNX, Precision.FP32, Layout.PADDED, "0" * 64)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.first: list[int] = []

    def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        self.shapes.append(ids.shape)
        self.first += ids[:, 0].tolist()
        padding = np.where(mask == 0, ids, 0).max(axis=1)
        return EngineOutput(np.stack([ids[:, 0], mask.sum(axis=1), padding], axis=1).astype(np.float32))

    def close(self) -> None:
        """Nothing to give back."""


def ragged(texts: int, seed: int = 0) -> TokenBatch:
    """Texts of 1 to 20 tokens; text i begins with id i."""
    lengths = np.random.default_rng(seed).integers(1, 21, texts)
    return TokenBatch.from_rows([[i] + [7] * (int(length) - 1) for i, length in enumerate(lengths)])


@pytest.mark.parametrize("company", Company)
@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_answers_come_in_the_order_of_the_texts(company: Company, batch_size: int) -> None:
    batch = ragged(53)
    engine = Echo()
    logits = score(engine, batch, batch_size=batch_size, company=company, pad_id=5)
    assert logits[:, 0].tolist() == list(range(53))
    assert logits[:, 1].tolist() == batch.lengths.tolist()
    assert set(logits[:, 2].tolist()) <= {0.0, 5.0}
    assert sorted(engine.first) == list(range(53))
    assert [texts for texts, _ in engine.shapes] == [batch_size] * (53 // batch_size) + [53 % batch_size] * bool(
        53 % batch_size
    )


def test_texts_of_like_length_keep_company_by_default() -> None:
    def cells(company: Company) -> int:
        engine = Echo()
        score(engine, ragged(64), batch_size=8, company=company)
        return sum(texts * longest for texts, longest in engine.shapes)

    batch = ragged(64)
    assert cells(Company.LENGTH) < 1.15 * batch.tokens
    assert cells(Company.LENGTH) < cells(Company.ORDER)


def test_order_is_kept_when_asked_for() -> None:
    engine = Echo()
    score(engine, ragged(20), batch_size=6, company=Company.ORDER)
    assert engine.first == list(range(20))


def test_random_company_goes_by_the_seed() -> None:
    def order(seed: int) -> list[int]:
        engine = Echo()
        score(engine, ragged(40), batch_size=8, company=Company.RANDOM, seed=seed)
        return engine.first

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != list(range(40))


@pytest.mark.parametrize("company", Company)
def test_no_texts_ask_nobody(company: Company) -> None:
    engine = Echo()
    assert score(engine, TokenBatch.from_rows([]), company=company).shape == (0, 0)
    assert engine.shapes == []


def test_the_engine_s_failure_is_the_caller_s() -> None:
    class Broken(Echo):
        def infer(self, inputs: Mapping[str, IntArray]) -> EngineOutput:
            raise InferenceError("The runtime failed: look at its log.")

    with pytest.raises(InferenceError, match="runtime failed"):
        score(Broken(), ragged(3))


def test_progress_is_told_in_texts() -> None:
    class Steps:
        def __init__(self) -> None:
            self.opened: list[tuple[str, int | None]] = []
            self.amounts: list[int] = []

        @contextlib.contextmanager
        def step(self, title: str, total: int | None = None) -> Iterator[Steps]:
            self.opened.append((title, total))
            yield self

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.amounts.append(amount)

    steps = Steps()
    score(Echo(), ragged(10), batch_size=4, progress=steps, title="parity")
    assert steps.opened == [("parity", 10)]
    assert steps.amounts == [4, 4, 2]
