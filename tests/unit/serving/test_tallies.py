"""What counts for a release, and what is written down of it."""

from __future__ import annotations

import asyncio
import logging
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.domain.errors import ReleaseNotCountedError
from seatrial.domain.inference import Outcome, PredictionRecord
from seatrial.domain.release_counters import Arm, ReleasePlace
from seatrial.serving.split_orders import ReleaseContext, SplitOrder
from seatrial.serving.tallies import Tallies, UnitsSample
from tests.splits import order


def context(**fields: Any) -> ReleaseContext:
    release = msgspec.convert(order(50, **fields), SplitOrder).release
    assert release is not None
    return release


def record(outcome: Outcome = Outcome.SUCCESS, unit: str | None = None, **place: Any) -> PredictionRecord:
    at = ReleasePlace(**{"release": "r-1", "arm": Arm.CHALLENGER, "step": 0, **place})
    return PredictionRecord("q", "tiny", "2", outcome, 0.6, unit, 1, labels=("positive",), place=at)


@pytest.fixture
def tallies() -> Tallies:
    one = Tallies()
    one.enter("tiny", context())
    return one


@pytest.mark.parametrize(
    ("outcome", "requests", "failed"),
    [
        (Outcome.SUCCESS, 1, 0),
        (Outcome.ERROR, 1, 1),
        (Outcome.EXPIRED, 1, 1),
        (Outcome.INVALID, 0, 0),
        (Outcome.REJECTED, 0, 0),
        (Outcome.CANCELLED, 0, 0),
    ],
)
def test_only_what_says_something_about_a_version_counts(
    tallies: Tallies, outcome: Outcome, requests: int, failed: int
) -> None:
    tallies.record(record(outcome))
    arm = tallies.counters("r-1").steps[0].challenger
    assert (arm.requests, arm.failed_requests, arm.slow) == (requests, failed, (requests,))


def test_what_was_routed_elsewhere_does_not_count(tallies: Tallies) -> None:
    tallies.record(record(release="r-0"))
    tallies.record(PredictionRecord("q", "tiny", "2", Outcome.SUCCESS, 0.6))
    tallies.record_mirrored(ReleasePlace("r-0", Arm.CHAMPION, 0), None, disagreed=True)
    tallies.record_mirrored(ReleasePlace("r-1", Arm.CHAMPION, None), None, disagreed=True)
    assert tallies.counters("r-1").steps[0].requests == 0
    with pytest.raises(ReleaseNotCountedError, match="r-0"):
        tallies.counters("r-0")


def test_steps_that_were_passed_over_are_empty_and_another_release_begins_afresh(tallies: Tallies) -> None:
    tallies.enter("tiny", context(step=2))
    tallies.record(record(step=2))
    tallies.record(record(step=None))
    assert [step.requests for step in tallies.counters("r-1").steps] == [0, 0, 1]
    assert tallies.counters("r-1").bake.requests == 1
    tallies.enter("other", context(release="r-2"))
    assert len(tallies.counters("r-1").steps) == 3
    tallies.enter("tiny", context(release="r-3"))
    assert [step.requests for step in tallies.counters("r-3").steps] == [0]
    with pytest.raises(ReleaseNotCountedError):
        tallies.counters("r-1")


def test_units_are_shown_by_guard_and_event(tallies: Tallies) -> None:
    tallies.record(record(Outcome.ERROR, "ann"))
    tallies.record(record(step=None, unit="bob"))
    tallies.record_mirrored(ReleasePlace("r-1", Arm.CHAMPION, 0), "cid", disagreed=True)
    shown = set(tallies.samples())
    assert {
        UnitsSample("tiny", "2", "split", "arrived", 2),
        UnitsSample("tiny", "1", "split", "arrived", 0),
        UnitsSample("tiny", "2", "errors", "failed", 1),
        UnitsSample("tiny", "2", "latency", "over_0.55_s", 2),
        UnitsSample("tiny", "1", "latency", "over_0.5_s", 0),
        UnitsSample("tiny", "2", "classes", "positive", 2),
        UnitsSample("tiny", "2", "disagreement", "disagreed", 1),
    } <= shown


def kept(directory: Path, *, restore: bool = False) -> Tallies:
    tallies = Tallies()
    tallies.keep_in(directory)
    tallies.enter("tiny", context(), restore=restore)
    return tallies


def test_the_next_process_goes_on_where_the_last_one_saved(tmp_path: Path) -> None:
    first = kept(tmp_path)
    first.record(record(unit="ann"))
    asyncio.run(first.save())
    first.record(record(unit="bob"))
    asyncio.run(first.save())
    asyncio.run(first.save())
    second = kept(tmp_path, restore=True)
    assert second.counters("r-1") == first.counters("r-1")
    second.record(record(unit="ann"))
    assert second.counters("r-1").steps[0].challenger.units == 2
    assert kept(tmp_path).counters("r-1").steps[0].requests == 0


def test_a_file_of_another_form_is_reported_and_counting_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bodies = [b'{"release":"r-1"}', b'{"units":[],"counters":{}}']
    (tmp_path / "tiny.tally").write_bytes(b"".join(b"%08x %b\n" % (zlib.crc32(body), body) for body in bodies))
    tallies = kept(tmp_path, restore=True)
    assert "release counters not restored" in caplog.text
    tallies.record(record(unit="ann"))
    asyncio.run(tallies.save())
    assert kept(tmp_path, restore=True).counters("r-1").steps[0].requests == 1


def test_a_disk_that_refuses_is_reported_once_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tallies = kept(tmp_path)
    (tmp_path / "tiny.tally").mkdir()
    with caplog.at_level(logging.WARNING):
        for unit in ("ann", "bob"):
            tallies.record(record(unit=unit))
            asyncio.run(tallies.save())
    assert caplog.text.count("release counters not written") == 1
    (tmp_path / "tiny.tally").rmdir()
    asyncio.run(tallies.save())
    assert kept(tmp_path, restore=True).counters("r-1").steps[0].challenger.units == 2
