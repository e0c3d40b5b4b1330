"""Texts to token ids: exactly what the model's own library makes of them, for any text, from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from seatrial.domain.errors import (
    BundleAlteredError,
    BundleMissingFileError,
    InvalidRequestError,
    UnsupportedModelError,
)
from seatrial.text.tokenizer import CHARS_PER_TOKEN, Tokenizer
from tests.builders import MAX_TOKENS, VOCABULARY, random_texts, tokenizer_json

CLS, SEP, UNKNOWN = 2, 3, 1


def rust() -> tokenizers.Tokenizer:
    """The tiny tokenizer as the Rust library has it."""
    return tokenizers.Tokenizer.from_str(tokenizer_json())


TOKENIZER = Tokenizer(rust(), MAX_TOKENS)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny tokenizer as transformers reads it."""
    import transformers

    path = tmp_path_factory.mktemp("transformers") / "tokenizer.json"
    path.write_text(tokenizer_json(), "utf-8")
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))


def any_texts(count: int) -> list[str]:
    """Ordinary texts, and texts of letters from many scripts, marks, controls and white space."""
    rng = np.random.default_rng(11)
    alphabet = "abc the good BAD éÉ中文字ไทย🙂👩‍👩‍👧 \t\n\u00a0\u200b\u0301ﬁ.,!?-_[SEP][PAD]0123456789\u0000\ufffd"
    odd = ["".join(rng.choice(list(alphabet), rng.integers(0, 120))) for _ in range(count)]
    return ["", " ", "[CLS]", "good" * 60, *random_texts(count, 5, 90)[0], *odd]


def test_it_reads_texts_as_transformers_does(theirs: Any) -> None:
    texts = any_texts(150)
    for max_length in (3, 4, 7, 16, 33, MAX_TOKENS):
        batch = TOKENIZER.encode(texts, max_length)
        expected = theirs(texts, truncation=True, max_length=max_length)["input_ids"]
        assert [batch.row(i).tolist() for i in range(len(texts))] == expected


def test_it_reads_them_alike_alone_and_in_company() -> None:
    texts = any_texts(50)
    together = TOKENIZER.encode(texts, MAX_TOKENS)
    for i, text in enumerate(texts):
        assert TOKENIZER.encode([text], MAX_TOKENS).ids.tolist() == together.row(i).tolist()


@given(st.lists(st.text(max_size=80), max_size=5), st.integers(3, 2 * MAX_TOKENS))
def test_every_text_keeps_within_its_limits(texts: list[str], max_length: int) -> None:
    batch = TOKENIZER.encode(texts, max_length)
    assert len(batch) == len(texts)
    for i in range(len(texts)):
        row = batch.row(i)
        assert 2 <= len(row) <= min(max_length, MAX_TOKENS)
        assert (row[0], row[-1]) == (CLS, SEP)


def test_no_texts_make_an_empty_batch() -> None:
    batch = TOKENIZER.encode([], MAX_TOKENS)
    assert (len(batch), batch.tokens) == (0, 0)


@pytest.mark.parametrize("text", ["good " * 1_000_000, "x" * 5_000_000, " " * 5_000_000, "\u0301" * 5_000_000])
def test_a_text_of_five_megabytes_is_cut_before_it_is_read(text: str) -> None:
    start = time.perf_counter()
    batch = TOKENIZER.encode([text], MAX_TOKENS)
    assert time.perf_counter() - start < 0.5  # reading all of it takes seconds; this takes some 10 ms
    assert batch.ids.tolist() == TOKENIZER.encode([text[: MAX_TOKENS * CHARS_PER_TOKEN]], MAX_TOKENS).ids.tolist()


def test_the_cut_loses_no_token_of_ordinary_text(theirs: Any) -> None:
    long = " ".join(random_texts(400, 6)[0])
    assert len(long) > MAX_TOKENS * CHARS_PER_TOKEN
    expected = theirs([long], truncation=True, max_length=MAX_TOKENS)["input_ids"][0]
    assert TOKENIZER.encode([long], MAX_TOKENS).ids.tolist() == expected


@pytest.mark.parametrize("position", [0, 1, 2])
def test_half_a_surrogate_pair_is_refused_by_its_place(position: int) -> None:
    texts = ["good", "bad", "fine"]
    texts[position] = "half: \ud83d"
    with pytest.raises(InvalidRequestError, match=rf"texts\[{position}\] is not valid Unicode"):
        TOKENIZER.encode(texts, MAX_TOKENS)


@pytest.mark.parametrize("wrong", [None, 5, b"good", ["good", "bad"], ("good", "bad"), {"text": "good"}])
def test_what_is_no_text_is_refused_by_its_place(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"texts\[1\] is of type {type(wrong).__name__}: send strings"):
        TOKENIZER.encode(["good", wrong], MAX_TOKENS)


def test_one_text_is_no_list_of_letters() -> None:
    with pytest.raises(InvalidRequestError, match="send a list of strings"):
        TOKENIZER.encode("good", MAX_TOKENS)


@pytest.mark.parametrize("max_length", [2, 1, 0, -1])
def test_a_limit_without_room_for_text_is_refused(max_length: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"max_length {max_length} leaves no room for text: use 3 to 64"):
        TOKENIZER.encode(["good"], max_length)


def test_the_model_s_limit_wins_over_a_longer_one() -> None:
    assert TOKENIZER.effective_length(10_000) == MAX_TOKENS
    assert TOKENIZER.effective_length(3) == 3
    assert TOKENIZER.encode(["good " * 100], 10_000).tokens == MAX_TOKENS


def test_many_threads_with_limits_of_their_own() -> None:
    texts = random_texts(40, 7, 80)[0]
    alone = {length: TOKENIZER.encode(texts, length).ids.tolist() for length in range(4, 12)}
    faults: list[int] = []
    start = threading.Barrier(8)

    def read(length: int) -> None:
        start.wait()
        faults.extend(length for _ in range(8) if TOKENIZER.encode(texts, length).ids.tolist() != alone[length])

    threads = [threading.Thread(target=read, args=(length,)) for length in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_truncation_and_padding_saved_in_the_file_are_not_obeyed(tmp_path: Path) -> None:
    """A tokenizer saved in the middle of a training would otherwise cut every input, silently."""
    saved = rust()
    saved.enable_truncation(8)
    saved.enable_padding(length=32)
    saved.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(tmp_path / "tokenizer.json", MAX_TOKENS)
    assert tokenizer.encode(["good " * 20], MAX_TOKENS).tokens == 22
    assert tokenizer.encode(["good"], MAX_TOKENS).tokens == 3


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingFileError, match=r"tokenizer\.json is missing"):
        Tokenizer.from_file(tmp_path / "tokenizer.json", MAX_TOKENS)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b"not JSON", tokenizer_json()[:500].encode()])
def test_a_file_that_is_no_tokenizer(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(BundleAlteredError, match=r"is no tokenizer: .* Fetch the bundle again"):
        Tokenizer.from_file(tmp_path / "tokenizer.json", MAX_TOKENS)


@pytest.mark.parametrize("max_tokens", [0, 1, 2])
def test_a_model_without_room_for_text(max_tokens: int) -> None:
    with pytest.raises(UnsupportedModelError, match="no room for text"):
        Tokenizer(rust(), max_tokens)


def test_the_vocabulary_is_counted_without_added_tokens() -> None:
    added = rust()
    added.add_tokens(["anewword"])
    assert Tokenizer(added, MAX_TOKENS).vocabulary_size == TOKENIZER.vocabulary_size == len(VOCABULARY)


def test_names_of_special_tokens() -> None:
    assert TOKENIZER.special_tokens == 2
    assert (TOKENIZER.pad_id(), TOKENIZER.unknown_id()) == (0, UNKNOWN)
    bare = Tokenizer(tokenizers.Tokenizer(tokenizers.models.BPE()), 8)
    assert (bare.special_tokens, bare.pad_id(), bare.unknown_id()) == (0, 0, None)
    assert bare.effective_length(1) == 1


def test_a_short_text_costs_little_beside_the_rust_library() -> None:
    """A guard at more than ten times its value (6 us a text)."""
    texts = random_texts(256, 8)[0]
    library = rust()
    ours_s = min(seconds(lambda: TOKENIZER.encode(texts, MAX_TOKENS)) for _ in range(5))
    theirs_s = min(seconds(lambda: library.encode_batch_fast(texts)) for _ in range(5))
    assert (ours_s - theirs_s) / len(texts) < 100e-6


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
