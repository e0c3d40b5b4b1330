"""Orders: what is no order, what counts under one, and the file that outlives the process."""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.domain.errors import ReleasePlanError
from seatrial.domain.release import FrozenBaseline, WatchedRelease
from seatrial.domain.release_counters import Arm, ReleasePlace
from seatrial.serving.split_orders import OrderFile, Orders, ReleaseContext, SplitOrder
from tests.splits import order


def read(document: dict[str, Any]) -> SplitOrder:
    return msgspec.convert(document, SplitOrder)


def test_what_a_control_plane_sends_is_read_back_field_by_field() -> None:
    baseline = FrozenBaseline((0.04,), (0.044,), ("negative", "positive"))
    sent = WatchedRelease("r-1", 1, 2, step=3, bake=True, baseline=baseline, mirror_percent=5.0)
    read_back = msgspec.json.decode(json.dumps(sent.to_json()), type=ReleaseContext)
    meant = {"id" if one.name == "release" else one.name: getattr(sent, one.name) for one in fields(sent)}
    assert msgspec.structs.asdict(read_back) == meant


def test_both_arms_count_while_they_are_compared_and_the_challenger_in_the_bake() -> None:
    step = read(order(10, step=3))
    assert step.release is not None
    assert step.release.places(step.split) == {
        "1": ReleasePlace("r-1", Arm.CHAMPION, 3),
        "2": ReleasePlace("r-1", Arm.CHALLENGER, 3),
    }
    bake = read(order(100, step=3, bake=True))
    assert bake.release is not None
    assert bake.release.places(bake.split) == {"2": ReleasePlace("r-1", Arm.CHALLENGER, None)}


@pytest.mark.parametrize("document", [order(0), order(100), order(0, bake=True)])
def test_nothing_counts_where_nothing_is_compared(document: dict[str, Any]) -> None:
    asked = read(document)
    assert asked.release is not None
    assert asked.release.places(asked.split) == {}


def test_what_gets_traffic_and_both_arms_of_a_release_must_be_loaded() -> None:
    assert read(order(0, step=None)).needed == (1,)
    assert set(read(order(0)).needed) == {1, 2}
    assert read(order(90)).refuges[0] == 1
    assert read(order(90, step=None)).refuges[0] == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "../r"}, {"id": ""}, {"step": -1}, {"step": 1000}, {"step": True}, {"mirror_percent": 101},
        {"champion": "1"}, {"colour": "red"}, {"bake": None},
    ],
)  # fmt: skip
def test_what_is_no_order_is_refused_by_its_form(broken: dict[str, Any]) -> None:
    document = order(10)
    with pytest.raises(msgspec.ValidationError):
        read({**document, "release": {**document["release"], **broken}})


def test_impossible_orders_are_refused_in_words() -> None:
    document = order(10)
    with pytest.raises(ReleasePlanError, match="cannot be champion and challenger"):
        read({**document, "release": {**document["release"], "champion": 2}})
    with pytest.raises(ReleasePlanError, match="even at 0 %"):
        read({**document, "release": {**document["release"], "champion": 7}})
    with pytest.raises(ReleasePlanError, match="sum to 100"):
        read({**document, "split": {**document["split"], "percents": [[1, 50]]}})
    falling = {"thresholds_s": [2, 1], "tolerant_s": [2, 2], "labels": []}
    with pytest.raises(ReleasePlanError, match="rise"):
        read({**document, "release": {**document["release"], "baseline": falling}})


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    file, asked = OrderFile(tmp_path), read(order(10, step=2, fence=7))
    assert file.read() == Orders()
    file.write(Orders().with_order(asked))
    assert OrderFile(tmp_path).read() == Orders({"tiny": asked}, {"tiny": 7})
    file.write(Orders().with_order(asked).without("tiny"))
    assert file.read() == Orders({}, {"tiny": 7})


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"\xff", b'{"splits": {"m": {"split": {"model": "m", "percents": []}, "fence": 1}}}']
)
def test_a_file_of_somebody_else_is_reported_and_left_alone(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "traffic.json").write_bytes(text)
    with caplog.at_level(logging.ERROR):
        assert OrderFile(tmp_path).read() == Orders()
    assert "starting without a split" in caplog.text
    assert (tmp_path / "traffic.json").read_bytes() == text


def test_a_file_that_may_not_be_read_does_not_stop_the_process(tmp_path: Path) -> None:
    (tmp_path / "traffic.json").mkdir()
    assert OrderFile(tmp_path).read() == Orders()
    with pytest.raises(OSError) as refused:  # noqa: PT011  the number says which
        OrderFile(tmp_path).write(Orders())
    assert refused.value.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST)
