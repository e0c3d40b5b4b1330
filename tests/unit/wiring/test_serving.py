"""The data plane as the settings want it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from seatrial.bundle import BundleIndex
from seatrial.config import load_settings
from seatrial.domain.errors import UnknownModelError
from seatrial.serving.plane import DataPlane, Question
from seatrial.wiring.serving import find_bundle, make_data_plane
from tests.builders import onnx_bundle


def plane_of(project: Path, lone_threads: int) -> DataPlane:
    settings = load_settings(project, overrides={"serving.lone_threads": lone_threads, "serving.sessions": 2})
    index = BundleIndex(settings.bundles_dir)
    for version in (1, 2):
        index.add(onnx_bundle(settings.bundles_dir / "tiny" / str(version), version=version))
    plane = make_data_plane([settings])
    plane.load([onnx_bundle(settings.bundles_dir / "tiny" / "1", version=1)])
    return plane


@pytest.mark.parametrize(("lone_threads", "second"), [(1, False), (2, True)])
def test_the_second_engine_is_made_where_the_settings_want_it(tmp_path: Path, lone_threads: int, second: bool) -> None:
    assert (plane_of(tmp_path, lone_threads).pick(None).wide_engine is not None) == second


def test_the_two_engines_of_a_version_answer_alike(tmp_path: Path) -> None:
    variant = plane_of(tmp_path, 2).pick(None)
    tokens = variant.tokenizer.encode(["good film"], 64)
    np.testing.assert_allclose(variant.score(tokens), variant.score(tokens, all_cores=True), atol=1e-6)
    variant.close()


def test_versions_are_found_in_the_index_of_the_project_that_makes_the_model(tmp_path: Path) -> None:
    projects = [
        load_settings(tmp_path / name, environment={}, overrides={"model.name": name, "serving.artifact": artifact})
        for name, artifact in (("one", "onnx-fp32"), ("two", "onnx-int8"))
    ]
    for settings in projects:
        name, artifact = settings.model.name, settings.serving.artifact
        bundle = onnx_bundle(settings.bundles_dir / name / "1", model=name, name=artifact)
        BundleIndex(settings.bundles_dir).add(bundle)
    assert [find_bundle(projects, f"{name}@1").manifest.ref for name in ("one", "two")] == [
        "one@1/onnx-fp32", "two@1/onnx-int8"
    ]  # fmt: skip
    with pytest.raises(UnknownModelError):
        find_bundle(projects, "three@1")


def test_later_versions_are_found_in_the_bundle_index(tmp_path: Path) -> None:
    async def scenario() -> None:
        plane = plane_of(tmp_path, 1)
        plane.start()
        loaded = await plane.load_version("tiny@2")
        await plane.switch("tiny", "2")
        await plane.unload("tiny@1")
        assert plane.pick(None) is loaded
        assert len((await plane.predict(loaded, Question(["good"], time.monotonic() + 30))).scores) == 1
        with pytest.raises(UnknownModelError):
            await plane.load_version("other@1")
        await plane.stop()

    asyncio.run(scenario())
