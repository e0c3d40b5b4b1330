from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import transformers

from seatrial.domain.errors import UnsupportedModelError
from seatrial.text.tokenizer import Tokenizer
from seatrial.training.tokenizer_files import read_json, stated_limit, write_tokenizer, write_tokenizer_config
from tests.builders import VOCABULARY, tokenizer_json


def test_the_number_of_ids_comes_back(tiny_directory: Path, tmp_path: Path) -> None:
    assert write_tokenizer(tiny_directory, tmp_path / "t.json") == len(VOCABULARY)


def test_an_older_vocabulary_is_converted(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}), "utf-8")
    write_tokenizer(tmp_path, tmp_path / "new" / "tokenizer.json")
    (tmp_path / "theirs.json").write_text(tokenizer_json(), "utf-8")
    texts = ["Good film, very COLD.", "the story was superb!"]
    ours, theirs = (
        Tokenizer.from_file(tmp_path / name, 64).encode(texts, 64) for name in ("new/tokenizer.json", "theirs.json")
    )
    assert ours.ids.tolist() == theirs.ids.tolist()


def test_without_any_vocabulary_there_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}), "utf-8")
    with pytest.raises(UnsupportedModelError, match="save_pretrained"):
        write_tokenizer(tmp_path, tmp_path / "t.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"text", b"\xff\xfe", b'{"model": 1}'])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(UnsupportedModelError, match="cannot be read"):
        write_tokenizer(tmp_path, tmp_path / "t.json")


def test_transformers_opens_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(), "utf-8")
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": {"content": "[PAD]"}}), "utf-8")
    target = tmp_path / "new"
    write_tokenizer(tmp_path, target / "tokenizer.json")
    write_tokenizer_config(tmp_path, target, max_tokens=12)
    opened = transformers.AutoTokenizer.from_pretrained(target)
    assert opened.pad_token == "[PAD]"
    assert opened.model_max_length == 12
    assert set(opened(["good", "bad film"], padding=True)) == {"input_ids", "attention_mask"}
    assert tokenizers.Tokenizer.from_file(str(target / "tokenizer.json")).padding is None


@pytest.mark.parametrize(("stated", "limit"), [(512, 512), (10**30, None), (0, None), ("512", None), (None, None)])
def test_the_limit_that_is_stated(tmp_path: Path, stated: object, limit: int | None) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": stated}), "utf-8")
    assert stated_limit(tmp_path) == limit


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(UnsupportedModelError, match=r"[sS]ave the model again"):
        read_json(tmp_path / "c.json")
