"""The tokenizer of a model's directory as the one form Seatrial reads: a tokenizer.json that neither cuts nor pads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers

from seatrial.bundle import TOKENIZER_FILE
from seatrial.domain.errors import UnsupportedModelError

__all__ = ["read_json", "stated_limit", "write_tokenizer", "write_tokenizer_config"]

_CONFIG_FILE = "tokenizer_config.json"
_OLDER_FILES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
_ROLES = ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
_NO_LIMIT_TOKENS = 10**6
"""A model_max_length above it is transformers' way to say that none is known."""


def write_tokenizer(source: Path, target: Path) -> int:
    """Writes the tokenizer of a directory as a tokenizer.json without truncation and padding.

    A tokenizer.json often carries the truncation of its last use, which would cut inputs without a word.

    Args:
        source: directory with tokenizer.json, or with the older vocabulary files, which transformers converts.
        target: the file to write.

    Returns:
        How many ids it can give; a model needs as many embeddings.

    Raises:
        UnsupportedModelError: there is no tokenizer, or it cannot be read.
    """
    path = source / TOKENIZER_FILE
    if not path.is_file() and not any((source / name).is_file() for name in _OLDER_FILES):
        raise UnsupportedModelError(
            f"There is no {TOKENIZER_FILE} in {source}: without its tokenizer the model cannot read texts. Save it "
            "there, with tokenizer.save_pretrained(directory) or tokenizer.save(file)."
        )
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path)) if path.is_file() else _converted(source)
    except Exception as error:  # the Rust library raises plain Exception for every fault of the file
        raise UnsupportedModelError(f"The tokenizer in {source} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(tokenizer.to_str(), "utf-8")
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def write_tokenizer_config(source: Path, target: Path, max_tokens: int) -> None:
    """Writes a tokenizer_config.json with which transformers opens the tokenizer.json beside it.

    It names the roles of the special tokens as the source does, and no token types: a version reads `input_ids` and
    `attention_mask` only.
    """
    stated = {**read_json(source / "special_tokens_map.json"), **read_json(source / _CONFIG_FILE)}
    tokens = {role: stated[role] for role in _ROLES if stated.get(role)}
    document = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "model_input_names": ["input_ids", "attention_mask"],
        **{role: token["content"] if isinstance(token, dict) else token for role, token in tokens.items()},
    }
    (target / _CONFIG_FILE).write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")


def stated_limit(source: Path) -> int | None:
    """The longest input in tokens that the tokenizer's settings name, None where they name none."""
    limit = read_json(source / _CONFIG_FILE).get("model_max_length")
    return limit if isinstance(limit, int) and 0 < limit < _NO_LIMIT_TOKENS else None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty where there is no such file.

    Raises:
        UnsupportedModelError: it is no JSON object.
    """
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UnsupportedModelError(f"{path} is no JSON: {error}. Save the model again.") from error
    if not isinstance(document, dict):
        raise UnsupportedModelError(f"{path} holds no JSON object: save the model again.")
    return document


def _converted(source: Path) -> tokenizers.Tokenizer:
    import transformers

    backend: tokenizers.Tokenizer = transformers.AutoTokenizer.from_pretrained(
        source, trust_remote_code=False
    ).backend_tokenizer
    return backend
