"""Blocks escape what they are handed and show every verdict."""

from __future__ import annotations

import pytest

from seatrial.domain.evidence import Finding, Verdict
from seatrial.reports.blocks import Tile, badge, facts, figure, findings_table, note, table, tiles

HOSTILE = '<script>alert("1")</script>&'
ESCAPED = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;"


@pytest.mark.parametrize("verdict", Verdict)
def test_a_badge_says_its_verdict_in_words(verdict: Verdict) -> None:
    assert f'class="badge {verdict.word}"' in badge(verdict)
    assert badge(verdict).endswith(f"</span> {verdict.word}</span>")


def test_badges_differ_by_more_than_colour() -> None:
    signs = {badge(verdict).split('aria-hidden="true">')[1][0] for verdict in Verdict}
    assert len(signs) == len(Verdict)


@pytest.mark.parametrize(
    "block",
    [
        findings_table([Finding("x.y", "m@1", Verdict.FAIL, HOSTILE)]),
        table([HOSTILE], [[HOSTILE]]),
        facts([(HOSTILE, HOSTILE)]),
        tiles([Tile(HOSTILE, HOSTILE, HOSTILE)]),
        figure(note("fine"), HOSTILE),
        note(HOSTILE),
    ],
)
def test_text_is_escaped(block: str) -> None:
    assert "<script" not in block
    assert ESCAPED in block


def test_markup_is_not_escaped_twice() -> None:
    assert '<span class="badge pass">' in table(["verdict"], [[badge(Verdict.PASS)]])


def test_findings_stand_worst_first_and_otherwise_in_order() -> None:
    words = ["pass", "fail", "inconclusive", "error", "pass"]
    findings = [Finding(f"c{i}", "m@1", Verdict.from_word(word), ".") for i, word in enumerate(words)]
    shown = findings_table(findings)
    assert sorted(range(5), key=lambda i: shown.index(f"c{i}")) == [1, 3, 2, 0, 4]


def test_a_finding_without_figures_shows_dashes() -> None:
    assert findings_table([Finding("c", "m@1", Verdict.ERROR, ".")]).count('<td class="n">–</td>') == 2


def test_only_numeric_columns_are_flush_right() -> None:
    assert table(["a", "b"], [["x", "1"]], numeric={1}).count('class="n"') == 2
