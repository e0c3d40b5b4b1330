"""Logs for people and for programs."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable

import pytest

from seatrial.cli.logs import JsonLines, People, configure_logging
from seatrial.domain.errors import UsageError
from tests.unit.cli.test_output import Terminal

OURS, THEIRS = "seatrial.flows.somewhere", "somebody.else"


def record(**facts: object) -> logging.LogRecord:
    made = logging.LogRecord(OURS, logging.WARNING, "x.py", 1, "foreign move", (), None)
    vars(made).update(facts)
    made.created, made.msecs = 1772539200.25, 250.0
    return made


def failed() -> logging.LogRecord:
    made = record()
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_record_is_one_json_line_with_its_facts_as_fields() -> None:
    line = JsonLines().format(record(model="m", theirs=2, place={"a": "评"}))
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2026-03-03T12:00:00.250Z",
        "level": "warning",
        "event": "foreign move",
        "logger": OURS,
        "model": "m",
        "theirs": 2,
        "place": {"a": "评"},
    }


def test_a_trace_stays_in_its_line_for_programs_and_below_it_for_people() -> None:
    assert "ValueError: why" in json.loads(JsonLines().format(failed()))["exception"]
    first, *rest = People().format(failed()).splitlines()
    assert first == "warning: foreign move"
    assert rest[-1] == "ValueError: why"


def test_people_read_one_line() -> None:
    assert People().format(record(model="m", theirs=2)) == "warning: foreign move model=m theirs=2"
    assert People().format(record()) == "warning: foreign move"


def test_where_there_is_no_terminal_our_news_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("")
    logging.getLogger(OURS).info("news", extra={"seq": 1})
    logging.getLogger(OURS).debug("detail")
    logging.getLogger(THEIRS).info("chatter")
    logging.getLogger(THEIRS).warning("care")
    written = capsys.readouterr()
    assert [json.loads(line)["event"] for line in written.err.splitlines()] == ["news", "care"]
    assert written.out == ""


def test_a_terminal_shows_warnings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logging("")
    logging.getLogger(OURS).info("news")
    logging.getLogger(OURS).warning("care")
    assert terminal.getvalue() == "warning: care\n"


@pytest.mark.parametrize("level", ["debug", "DEBUG"])
def test_the_level_is_ours_to_choose_and_not_that_of_others(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level)
    logging.getLogger(OURS).debug("detail")
    logging.getLogger(THEIRS).info("chatter")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["detail"]


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="'loud' is no log level"):
        configure_logging("loud")


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("")
    configure_logging("")
    logging.getLogger(OURS).warning("care")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_warning_of_a_library_is_a_log_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old function", FutureWarning, stacklevel=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert "old function" in json.loads(line)["event"]


def test_what_cannot_be_written_as_text_does_not_stop_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

    configure_logging("")
    complaint: Callable[..., None] = logging.getLogger(OURS).warning
    complaint("care", extra={"fact": Broken()})
    assert "no text" in capsys.readouterr().err
