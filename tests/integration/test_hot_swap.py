"""Versions that are loaded, switched and unloaded under constant requests, with a real runtime."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from seatrial.bundle import TOKENIZER_FILE, Bundle, write_bundle
from seatrial.config import ServingSettings
from seatrial.domain.model import ArtifactFormat
from seatrial.engines.loading import load_engine
from seatrial.serving.plane import DataPlane, Question
from tests.builders import VOCABULARY, manifest, tokenizer_json

WEIGHT_BYTES = 40_000_000
SWAPS = 4
CLIENTS = 8


def heavy_bundle(directory: Path, version: int) -> Bundle:
    """A version whose second logit says which it is, with weights that are noticed in the process's memory."""
    rows = WEIGHT_BYTES // 8
    weights = np.full((rows, 2), (0.0, float(version)), np.float32)
    assert rows > len(VOCABULARY)
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["embedded"], axis=0),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["kept"]),
        helper.make_node("ReduceMax", ["kept"], ["logits"], axes=[1], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("input_ids", "attention_mask")]
    constants = {"weights": weights, "last": np.array([2], np.int64)}
    graph = helper.make_graph(
        nodes, "heavy", inputs, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip

    def fill(where: Path) -> None:
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), where / "model.onnx"
        )
        (where / TOKENIZER_FILE).write_text(tokenizer_json(), "utf-8")

    return write_bundle(directory, manifest("onnx-fp32", ArtifactFormat.ONNX, version=version, model="heavy"), fill)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory as Linux gives it")
def test_swaps_lose_nothing_answer_with_a_loaded_version_and_give_memory_back(tmp_path: Path) -> None:
    bundles = {f"heavy@{version}": heavy_bundle(tmp_path / str(version), version) for version in range(1, SWAPS + 2)}
    plane = DataPlane(ServingSettings(sessions=2), load_engine, find_bundle=bundles.__getitem__)

    async def scenario() -> tuple[dict[str, int], list[int]]:
        answered: dict[str, int] = {}
        resident: list[int] = []
        swapping = True

        async def client() -> None:
            while swapping:
                variant = plane.pick(None)
                assert variant in plane.variants
                answer = await plane.predict(variant, Question(["good film", "bad"], time.monotonic() + 60))
                assert answer.logits[:, 1].tolist() == [float(variant.version)] * 2
                answered[variant.version] = answered.get(variant.version, 0) + 1

        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        for version in range(2, SWAPS + 2):
            await plane.load_version(f"heavy@{version}")
            await plane.switch("heavy", str(version))
            await plane.unload(f"heavy@{version - 1}")
            resident.append(resident_bytes())
        swapping = False
        await asyncio.gather(*clients)
        return answered, resident

    async def run() -> tuple[dict[str, int], list[int]]:
        plane.start()
        try:
            return await scenario()
        finally:
            await plane.stop()

    plane.load([bundles["heavy@1"]])
    threads = threading.active_count()
    answered, resident = asyncio.run(run())
    assert {"1", str(SWAPS)} <= set(answered)
    # Had one version stayed, each swap would have added its weights.
    assert resident[-1] - resident[0] < WEIGHT_BYTES
    assert threading.active_count() <= threads
