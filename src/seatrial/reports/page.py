"""A whole report: header with the verdict, key figures, findings, sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.domain.evidence import Finding, Verdict, worst
from seatrial.reports.blocks import Tile, badge, findings_table, render, tiles
from seatrial.reports.palette import COLOURS

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Page", "Section", "render_page"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence that says what is shown, and the blocks below it.

    Attributes:
        wide: takes the whole width; two narrow sections share a line where there is room.
    """

    title: str
    intro: str
    blocks: Sequence[Markup]
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A report about one subject.

    Attributes:
        title: what kind of report, for example ``Evaluation``.
        subject: what it is about, as in its findings.
        findings: all of them; the worst decides the header.
        tiles: key figures.
        sections: everything else, in order.
    """

    title: str
    subject: str
    findings: Sequence[Finding]
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = ()


def render_page(page: Page) -> str:
    """The page as one HTML document that needs nothing else; equal pages give equal text.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    verdict = worst(page.findings)
    return render(
        "page.html",
        page=page,
        verdict=badge(verdict),
        summary=_summary(page.findings),
        tiles=tiles(page.tiles) if page.tiles else "",
        findings=findings_table(page.findings),
        colours=COLOURS,
    )


def _summary(findings: Sequence[Finding]) -> str:
    held = [finding for finding in findings if finding.verdict is not Verdict.PASS]
    if not findings:
        return "Nothing was checked, so nothing is proven."
    if not held:
        return "The check passed." if len(findings) == 1 else f"All {len(findings)} checks passed."
    return f"{len(held)} of {len(findings)} checks did not pass: {', '.join(finding.check for finding in held)}."
