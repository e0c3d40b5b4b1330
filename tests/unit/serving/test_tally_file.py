"""A tally on the disk: torn, refused, grown and read again."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from seatrial.domain.release_counters import Arm, FrozenBaseline
from seatrial.domain.release_tally import ReleaseTally, Served, TallyChanges
from seatrial.serving import tally_file
from seatrial.serving.tally_file import Remembered, TallyFile

BASELINE = FrozenBaseline((0.1,), (0.11,), tuple(f"label-{number}" for number in range(100)))


class Tallied:
    """A tally, its file, and what a reader of the file sees."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "m.tally"
        self.file = TallyFile(self.path, "r-1")
        self.tally = ReleaseTally(BASELINE)
        self.tally.begin_step()

    def count(self, *units: str) -> TallyChanges:
        for unit in units:
            self.tally.count(Served(Arm.CHAMPION, unit, failed=True, latency_s=0.2, labels=("label-99",)))
        return self.tally.changes(whole=self.file.wants_whole)

    def write(self, *units: str) -> None:
        whole = self.file.wants_whole
        self.file.write(self.count(*units), whole=whole)

    def read(self) -> Remembered | None:
        return TallyFile(self.path, "r-1").read()

    def requests(self) -> int:
        remembered = self.read()
        assert remembered is not None
        return remembered.counters.steps[0].champion.requests


@pytest.fixture
def tallied(tmp_path: Path) -> Tallied:
    return Tallied(tmp_path)


def test_what_was_written_bit_by_bit_is_read_as_a_whole(tallied: Tallied) -> None:
    tallied.write("ann")
    tallied.write("bob", "ann")
    remembered = tallied.read()
    assert remembered is not None
    assert remembered.counters == tallied.tally.counters()
    assert dict(remembered.units) == dict(tallied.tally.changes(whole=True).units)


def test_a_tally_that_is_read_back_keeps_its_name_and_one_begun_anew_has_another(tallied: Tallied) -> None:
    tallied.write("ann")
    again = TallyFile(tallied.path, "r-1")
    unread = again.tally
    assert again.read() is not None
    assert again.tally == tallied.file.tally != unread
    tallied.path.write_bytes(tallied.path.read_bytes()[:5])
    damaged = TallyFile(tallied.path, "r-1")
    assert damaged.read() is None
    assert damaged.tally != tallied.file.tally


def test_a_torn_line_takes_its_counters_and_its_units_with_it(tallied: Tallied) -> None:
    tallied.write("ann")
    size = tallied.path.stat().st_size
    tallied.write("bob")
    for cut in (size + 1, tallied.path.stat().st_size - 1):
        whole = tallied.path.read_bytes()
        tallied.path.write_bytes(whole[:cut])
        remembered = tallied.read()
        assert remembered is not None
        assert (remembered.counters.steps[0].champion.errors, len(remembered.units)) == (1, 1)
        tallied.path.write_bytes(whole)


def test_a_file_of_another_release_or_none_says_nothing(tallied: Tallied) -> None:
    assert tallied.read() is None
    tallied.write("ann")
    assert TallyFile(tallied.path, "r-2").read() is None


def test_after_a_refusal_everything_is_written_anew(tallied: Tallied) -> None:
    tallied.write("ann")
    tallied.path.unlink()
    tallied.path.mkdir()
    with pytest.raises(OSError, match="directory"):
        tallied.write("bob")
    assert tallied.file.wants_whole
    tallied.path.rmdir()
    tallied.write("cid")
    assert tallied.requests() == 3
    assert not tallied.file.wants_whole


def test_a_file_that_has_grown_is_written_anew(tallied: Tallied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_file, "_MOST_GROWTH_BYTES", 100)
    monkeypatch.setattr(tally_file, "_UNITS_A_LINE", 2)
    sizes = []
    for number in range(40):
        tallied.write(f"user-{number % 7}")
        sizes.append(tallied.path.stat().st_size)
    assert sizes[-1] < 10 * sizes[0]
    assert any(after < before for before, after in itertools.pairwise(sizes))
    assert tallied.requests() == 40
