"""The paths by which traffic is split: what they refuse, before and after anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.config import ServingSettings
from seatrial.engines.fake_engine import FakeEngine
from seatrial.serving.internal import InternalApp
from seatrial.serving.plane import DataPlane
from tests.builders import onnx_bundle
from tests.splits import order
from tests.unit.serving.test_internal import ask


@pytest.fixture
def plane(tmp_path: Path) -> DataPlane:
    plane = DataPlane(ServingSettings(), lambda _bundle: FakeEngine())
    plane.load([onnx_bundle(tmp_path / str(version), version=version) for version in (1, 2)])
    return plane


def put(plane: DataPlane, document: Any) -> tuple[int, Any]:
    return ask(InternalApp(plane), "PUT", "/admin/split", body=json.dumps(document).encode())


def test_what_was_put_is_given_back(plane: DataPlane) -> None:
    status, answer = put(plane, order(10, mirror_percent=2.5))
    assert status == 200
    assert {name: answer[name] for name in ("split", "fence", "release")} == order(10, mirror_percent=2.5)
    assert ask(InternalApp(plane), "GET", "/admin/split", "model=tiny") == (200, answer)
    assert put(plane, {name: answer[name] for name in ("split", "fence", "release")})[1] == answer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": None}, "split"),
        ({"split": {"model": "tiny", "percents": [[2, 60], [1, 60]], "salt": "s"}}, "sum to 100"),
        ({"split": {"model": "tiny", "percents": [[2, 33.333], [1, 66.667]], "salt": "s"}}, "too fine"),
        ({"fence": -1}, "fence"),
        ({"release": {"id": "r"}}, "champion"),
        ({"relese": None}, "relese"),
    ],
)
def test_what_is_no_order_is_the_senders_mistake(plane: DataPlane, change: dict[str, Any], words: str) -> None:
    status, answer = put(plane, {**order(10), **change})
    assert status == 400
    assert words in answer["error"]
    assert plane.orders.state("tiny").split is None


def test_orders_wait_until_everything_is_loaded() -> None:
    status, answer = put(DataPlane(ServingSettings(), lambda _bundle: FakeEngine()), order(10))
    assert status == 503
    assert "loading" in answer["error"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("split", "", 400),
        ("split", "model=unknown", 200),
        ("counters", "", 400),
        ("counters", "release=r-9", 404),
        ("latencies", "model=tiny", 400),
        ("latencies", "model=tiny&version=9", 404),
        ("latencies", "model=tiny&version=1", 200),
    ],
)
def test_what_is_asked_for_must_be_named_and_known(plane: DataPlane, path: str, query: str, status: int) -> None:
    assert ask(InternalApp(plane), "GET", f"/admin/{path}", query)[0] == status


def test_a_path_says_which_methods_it_takes(plane: DataPlane) -> None:
    status, answer = ask(InternalApp(plane), "POST", "/admin/split")
    assert status == 405
    assert "GET, PUT" in answer["error"]
