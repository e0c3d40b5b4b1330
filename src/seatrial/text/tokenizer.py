"""Texts to ragged token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tokenizers

from seatrial.domain.errors import (
    BundleAlteredError,
    BundleMissingFileError,
    InvalidRequestError,
    UnsupportedModelError,
)
from seatrial.domain.inference import TokenBatch

__all__ = ["CHARS_PER_TOKEN", "Tokenizer"]

CHARS_PER_TOKEN = 128
"""Characters of a text that are read for each token it may have; a longer text is cut there before it is tokenised.

This bounds the work: a tokenizer reads the whole of a text before it cuts it. Ordinary text has four or five
characters a token. Only text with more than this many, such as long runs of white space or words of hundreds of
letters, can lose tokens that would have fitted."""


class Tokenizer:
    """A `tokenizer.json`, read once, safe to use from any thread."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.token_ids = tokenizer.get_vocab_size(with_added_tokens=True)
        self.special_tokens = tokenizer.num_special_tokens_to_add(False)
        if max_tokens <= self.special_tokens:
            raise UnsupportedModelError(
                f"A model of {max_tokens} tokens has no room for text beside the {self.special_tokens} special tokens "
                "of its tokenizer: use a model that reads more."
            )

    @classmethod
    def from_file(cls, path: Path, max_tokens: int) -> Tokenizer:
        """Reads a tokenizer.json.

        Args:
            max_tokens: the model's limit, special tokens included.

        Raises:
            BundleMissingFileError: there is no such file.
            BundleAlteredError: it is no tokenizer.
            UnsupportedModelError: `max_tokens` leaves no room for text.
        """
        if not path.is_file():
            raise BundleMissingFileError(f"{path} is missing: without its tokenizer the model cannot read texts.")
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust library raises plain Exception for every fault of the file
            raise BundleAlteredError(f"{path} is no tokenizer: {error}. Fetch the bundle again.") from error
        return cls(tokenizer, max_tokens)

    def effective_length(self, max_length: int) -> int:
        """The limit that applies: the one asked for, the model's where that is smaller.

        Raises:
            InvalidRequestError: it leaves no room for a single token of text.
        """
        if max_length <= self.special_tokens:
            raise InvalidRequestError(
                f"max_length {max_length} leaves no room for text: use {self.special_tokens + 1} to {self.max_tokens}."
            )
        return min(max_length, self.max_tokens)

    def encode(self, texts: Sequence[str], max_length: int) -> TokenBatch:
        """Token ids of each text, special tokens included, cut to `max_length` tokens.

        Raises:
            InvalidRequestError: `max_length` is too small, or a text is no string of valid Unicode (it has a lone
                surrogate).
        """
        _check_strings(texts)
        limit = self.effective_length(max_length)
        chars = limit * CHARS_PER_TOKEN
        try:
            encodings = self._tokenizer.encode_batch_fast([text[:chars] for text in texts], add_special_tokens=False)
        except TypeError:
            bad = next((i for i, text in enumerate(texts) if not _encodable(text)), 0)
            raise InvalidRequestError(f"texts[{bad}] is not valid Unicode: take out half a surrogate pair.") from None
        rows = []
        for encoding in encodings:
            encoding.truncate(limit - self.special_tokens)
            rows.append(self._tokenizer.post_process(encoding, None, True).ids)
        return TokenBatch.from_rows(rows)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are, the added ones not counted."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=False))

    def unknown_id(self) -> int | None:
        """The id of the unknown token, None where the vocabulary has none."""
        return next((i for i in map(self._tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None), None)

    def pad_id(self) -> int:
        """The id that fills padded cells, 0 where the vocabulary names none."""
        return next((i for i in map(self._tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)


def _check_strings(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InvalidRequestError("texts is one string: send a list of strings.")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequestError(f"texts[{index}] is of type {type(text).__name__}: send strings.")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
