from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from seatrial.domain.errors import StorageFullError
from seatrial.training.checkpoint import Checkpoint, Checkpoints
from tests.limits import file_size_limit


def _checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, {"weight": torch.full((1000,), float(step)), "rng": torch.get_rng_state()})


def test_the_latest_checkpoint_comes_back_and_the_ones_before_are_gone(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new", "key")
    for step in (5, 10):
        checkpoints.save(_checkpoint(step))
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 10
    assert torch.equal(found.tensors["weight"], torch.full((1000,), 10.0))
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent", "key").latest() is None


def test_a_checkpoint_of_another_key_is_not_used(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "other").save(_checkpoint(5))
    assert Checkpoints(tmp_path, "key").latest() is None


@pytest.mark.parametrize("kept_ratio", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_not_used_and_a_warning_says_so(
    tmp_path: Path, kept_ratio: float, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path, "key")
    checkpoints.save(_checkpoint(5))
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept_ratio)])
    with caplog.at_level(logging.WARNING):
        assert checkpoints.latest() is None
    assert [record.getMessage() for record in caplog.records] == ["checkpoint unreadable, not used"]


def test_what_a_kill_in_the_middle_of_a_write_leaves_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "key")
    checkpoints.save(_checkpoint(5))
    partial = tmp_path / "step-000000010.partial"
    partial.write_bytes(b"half")
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 5
    checkpoints.save(_checkpoint(15))
    assert not partial.exists()


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "key")
    checkpoints.save(_checkpoint(5))
    with file_size_limit(2000), pytest.raises(StorageFullError, match="free some space"):
        checkpoints.save(_checkpoint(10))
    found = checkpoints.latest()
    assert found is not None
    assert found.step == 5
    assert len(list(tmp_path.iterdir())) == 1
