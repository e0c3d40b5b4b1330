"""Pages are well-formed, complete in themselves, and say the verdict first."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from seatrial.domain.evidence import Finding, Verdict
from seatrial.reports.blocks import Tile, note
from seatrial.reports.page import Page, Section, render_page
from tests.unit.reports.html_check import check_offline, check_well_formed


def finding(word: str, check: str = "x.y") -> Finding:
    return Finding(check, "m@1", Verdict.from_word(word), "Because.", 1.0, 2.0, 3)


def page(*findings: Finding) -> Page:
    return Page("Test", "m@1 <b>&", findings, [Tile("A", "1")], [Section("S", "Intro.", [note("N")], wide=False)])


def test_a_page_is_well_formed_and_offline() -> None:
    html = render_page(page(finding("pass"), finding("fail")))
    check_well_formed(html)
    check_offline(html)
    assert "<b>&" not in html
    assert "m@1 &lt;b&gt;&amp;" in html


@pytest.mark.parametrize(
    ("findings", "verdict", "summary"),
    [
        ([], "inconclusive", "Nothing was checked, so nothing is proven."),
        ([finding("pass")], "pass", "The check passed."),
        ([finding("pass")] * 3, "pass", "All 3 checks passed."),
        (
            [finding("pass"), finding("fail", "a.b"), finding("error", "c.d")],
            "fail",
            "2 of 3 checks did not pass: a.b, c.d.",
        ),
    ],
)
def test_the_header_says_the_worst_verdict_and_why(findings: list[Finding], verdict: str, summary: str) -> None:
    header = render_page(page(*findings)).split("</header>")[0]
    assert f'class="badge {verdict}"' in header
    assert summary in header


def test_equal_pages_are_equal_text() -> None:
    assert render_page(page(finding("pass"))) == render_page(page(finding("pass")))


def test_colours_have_a_dark_form_and_print_in_light() -> None:
    html = render_page(page())
    assert "@media (prefers-color-scheme: dark) { :root { --paper: #15181c" in html
    assert "@media print { :root { --paper: #ffffff" in html


def test_importing_reports_and_evaluation_loads_nothing_heavy() -> None:
    modules = ["reports.page", "reports.charts", "evaluation.evaluate", "evaluation.report"]
    program = "import sys, json\n" + "".join(f"import seatrial.{name}\n" for name in modules)
    loaded = subprocess.run(
        [sys.executable, "-c", program + "print(json.dumps(list(sys.modules)))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    heavy = {"matplotlib", "scipy", "sklearn", "jinja2", "markupsafe", "torch", "pandas"}
    assert not heavy & set(json.loads(loaded))
