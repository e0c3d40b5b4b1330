"""Memory of GPUs that are there, and silence about those that are not."""

from __future__ import annotations

import importlib.util

import pytest

from seatrial.serving.gpu_memory import GpuMemory
from tests.data_plane import FakeNvml


def test_a_gpu_that_answers_is_read_and_one_that_does_not_is_left_out() -> None:
    assert GpuMemory(FakeNvml()).used_bytes() == {"0": 5 * 2**30}


def test_without_a_driver_nothing_is_made_up() -> None:
    assert GpuMemory(FakeNvml(driver=False)).used_bytes() == {}


def test_without_the_package_nothing_is_made_up() -> None:
    if importlib.util.find_spec("pynvml") is not None:
        pytest.skip("pynvml is installed here")
    assert GpuMemory().used_bytes() == {}
