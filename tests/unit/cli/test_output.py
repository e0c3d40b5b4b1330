"""Tables and documents."""

from __future__ import annotations

import io
import json
import os
import re
import sys

import pytest

from seatrial.cli.output import complain, print_findings, print_json, print_table, say
from seatrial.domain.evidence import Finding, Verdict

FINDINGS = [Finding("step.check", "m@1", verdict, f"It says {verdict.word} [because].") for verdict in Verdict]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, stream: str = "stdout", columns: int = 100) -> Terminal:
    """Puts a terminal in the place of a stream; to be called in the test, since pytest sets streams right before."""
    terminal = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, stream, terminal)
    return terminal


def test_findings_are_a_plain_table_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(FINDINGS)
    written = capsys.readouterr()
    lines = written.out.splitlines()
    assert lines[0].split() == ["verdict", "check", "subject", "reason"]
    assert [line.split()[0] for line in lines[1:]] == ["pass", "inconclusive", "error", "fail"]
    assert lines[1].rstrip().endswith("It says pass [because].")
    assert "\x1b" not in written.out
    assert written.err == ""


def test_verdicts_have_their_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    print_findings(FINDINGS)
    assert "\x1b[32mpass" in terminal.getvalue()
    assert "\x1b[1;31mfail" in terminal.getvalue()
    assert "[because]" in terminal.getvalue()


def test_a_table_is_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch, columns=40)
    print_table(("what", "why"), [("a", "word " * 20)])
    lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue()).splitlines()
    assert 30 < max(map(len, lines)) <= 40


def test_cells_are_text_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("", ""), [("[bold]a[/nothing]", None), (":smile: \x1b[2J\r", 3)], title="[t]")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["[t]"], ["[bold]a[/nothing]"], [":smile:", "\ufffd[2J\ufffd", "3"]]


def test_a_document_is_one_json_document_with_its_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"text": "评论 naïve", "path": os.curdir, "number": 1.5, "nothing": None}
    print_json(document)
    written = capsys.readouterr().out
    assert json.loads(written) == document
    assert "评论" in written


def test_what_is_said_and_what_is_complained_go_their_ways(capsys: pytest.CaptureFixture[str]) -> None:
    say("result")
    complain("trouble")
    assert capsys.readouterr() == ("result\n", "trouble\n")
