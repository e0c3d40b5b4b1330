"""The pieces a page is made of, each as Markup; every text that is handed in is escaped."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.domain.errors import MissingExtraError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.reports.formatting import count, number, plain

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

__all__ = ["Tile", "badge", "facts", "figure", "findings_table", "note", "render", "table", "tiles"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure: what it is, its value as text, and a few words below."""

    name: str
    value: str
    note: str = ""


def badge(verdict: Verdict) -> Markup:
    """The verdict as a word with a sign and a colour, so that neither alone has to carry it."""
    return _block("badge", verdict)


def findings_table(findings: Sequence[Finding]) -> Markup:
    """All findings, the worst first, otherwise in the order given."""
    return _block("findings_table", sorted(findings, key=lambda finding: -finding.verdict))


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Markup]], *, numeric: Collection[int] = ()) -> Markup:
    """A table; the `numeric` columns (by index) are set flush right."""
    return _block("table", columns, rows, numeric)


def facts(pairs: Sequence[tuple[str, str | Markup]]) -> Markup:
    """Names and values, one pair a line."""
    return _block("facts", pairs)


def tiles(shown: Sequence[Tile]) -> Markup:
    """Key figures side by side."""
    return _block("tiles", shown)


def figure(svg: Markup, caption: str) -> Markup:
    """A picture of `figures.figure_svg` with the sentence that says how to read it."""
    return _block("figure", svg, caption)


def note(text: str) -> Markup:
    """A paragraph in small print."""
    return _block("note", text)


def render(template: str, **context: Any) -> str:
    """A template of this package with the given names.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    return _environment().get_template(template).render(**context)


def _block(name: str, *arguments: Any) -> Markup:
    macro = getattr(_environment().get_template("blocks.html").module, name)
    block: Markup = macro(*arguments)
    return block


@functools.cache
def _environment() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", "control") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seatrial.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters.update(count=count, number=number)
    return environment
