"""How far work is, on a terminal and without one."""

from __future__ import annotations

import itertools
import logging

import pytest

from seatrial.cli.logs import configure_logging
from seatrial.cli.progress import LINE_EVERY_S, Lines, progress_display
from tests.unit.cli.test_output import on_terminal


def test_without_a_terminal_each_step_is_a_line_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display() as progress:
        with progress.step("prepare", total=10) as step:
            step.advance(10)
        with progress.step("train"):
            pass
    written = capsys.readouterr()
    first, second = written.err.splitlines()
    assert first.startswith("done: prepare (")
    assert second.startswith("done: train (")
    assert written.out == ""


def test_a_step_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), progress_display() as progress, progress.step("train"):
            raise error
    assert capsys.readouterr().err == "failed: train\n" * 2


def test_a_long_step_is_heard_of_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = itertools.count(step=LINE_EVERY_S / 2 - 0.01)
    with Lines(lambda: float(next(clock))).step("train", total=4) as step:
        for _ in range(4):
            step.advance(1, "loss 0.5")
    assert "  train: 3 of 4, loss 0.5" in capsys.readouterr().err


def test_a_long_step_of_unknown_length_is_too(capsys: pytest.CaptureFixture[str]) -> None:
    clock = itertools.count(step=LINE_EVERY_S)
    with Lines(lambda: float(next(clock))).step("read (rows)") as step:
        step.advance(1000)
    assert "  read (rows): 1000\n" in capsys.readouterr().err


def test_what_is_printed_meanwhile_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display() as progress, progress.step("train"):
        print("a trainer prints")
    print("the result")
    written = capsys.readouterr()
    assert written.out == "the result\n"
    assert "a trainer prints\n" in written.err


def test_a_terminal_has_bars_and_keeps_a_line_for_each_finished_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, "stderr")
    with progress_display() as progress, progress.step("train [tiny]", total=2) as step:
        step.advance(1, "loss [0.5]")
        step.advance(1, "loss [0.4]")
    shown = terminal.getvalue()
    assert "✓" in shown
    assert "train [tiny]" in shown
    assert "0/2" in shown
    assert "\x1b[?25h" in shown, "the cursor is back"


def test_a_step_that_fails_is_marked_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, "stderr")
    with pytest.raises(KeyboardInterrupt), progress_display() as progress, progress.step("train"):
        raise KeyboardInterrupt
    assert "✗" in terminal.getvalue()
    assert "✓" not in terminal.getvalue()
    assert "\x1b[?25h" in terminal.getvalue(), "the cursor is back"


def test_on_a_terminal_prints_and_logs_stand_above_the_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch, "stderr")
    configure_logging("")
    with progress_display() as progress, progress.step("train"):
        print("a trainer prints")
        logging.getLogger("seatrial.flows").warning("care")
    print("the result")
    shown = terminal.getvalue()
    assert "a trainer prints" in shown
    assert "warning: care" in shown
    assert capsys.readouterr().out == "the result\n"
