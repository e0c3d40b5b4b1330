"""How many workers a machine, or its container, has room for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.serving.cores import quota_cores, usable_cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
        ("max 100000\n", None),
        ("", None),
        ("nonsense", None),
        ("1 0", None),
    ],
)
def test_a_quota_is_rounded_to_whole_cores(tmp_path: Path, text: str, cores: int | None) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(text, "ascii")
    assert quota_cores(path) == cores


def test_without_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota_cores(tmp_path / "absent") is None


def test_at_least_one_core_and_no_more_than_the_machine_has() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
