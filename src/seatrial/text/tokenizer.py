"""Texts to ragged token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tokenizers

from seatrial.domain.errors import BundleAlteredError, BundleMissingFileError, InvalidRequestError
from seatrial.domain.inference import TokenBatch

__all__ = ["CHARS_PER_TOKEN", "Tokenizer"]

CHARS_PER_TOKEN = 128
"""Characters of a text that are read for each token it may have; a longer text is cut there before it is tokenised,
which bounds the work. No word of more than 100 characters is ever split by WordPiece, so ordinary text of 128 tokens
is never touched; only runs of white space or of invisible characters can be longer."""


class Tokenizer:
    """A `tokenizer.json`, read once, safe to use from any thread."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, max_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.special_tokens = tokenizer.num_special_tokens_to_add(False)

    @classmethod
    def from_file(cls, path: Path, max_tokens: int) -> Tokenizer:
        """Reads a tokenizer.json.

        Args:
            max_tokens: the model's limit, special tokens included.

        Raises:
            BundleMissingFileError: there is no such file.
            BundleAlteredError: it is no tokenizer.
        """
        if not path.is_file():
            raise BundleMissingFileError(f"{path} is missing: without its tokenizer the model cannot read texts.")
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)), max_tokens)
        except Exception as error:  # the Rust library raises plain Exception for every fault of the file
            raise BundleAlteredError(f"{path} is no tokenizer: {error}") from error

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
            InvalidRequestError: `max_length` is too small, or a text is not valid Unicode (a lone surrogate).
        """
        limit = self.effective_length(max_length)
        chars = limit * CHARS_PER_TOKEN
        try:
            encodings = self._tokenizer.encode_batch_fast([text[:chars] for text in texts], add_special_tokens=False)
        except TypeError:
            bad = next((i for i, text in enumerate(texts) if not _encodable(text)), 0)
            raise InvalidRequestError(f"texts[{bad}] is not valid Unicode: it holds half a surrogate pair.") from None
        rows = []
        for encoding in encodings:
            encoding.truncate(limit - self.special_tokens)
            rows.append(self._tokenizer.post_process(encoding, None, True).ids)
        return TokenBatch.from_rows(rows)

    def unknown_id(self) -> int | None:
        """The id of the unknown token, None where the vocabulary has none."""
        return next((i for i in map(self._tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None), None)

    def pad_id(self) -> int:
        """The id that fills padded cells, 0 where the vocabulary names none."""
        return next((i for i in map(self._tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
