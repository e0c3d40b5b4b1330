"""Numbers and foreign text as a person reads them."""

from __future__ import annotations

import math
import unicodedata

__all__ = ["count", "decimal", "number", "percent", "plain", "points", "shorten", "span"]

_ELLIPSIS = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def percent(ratio: float, decimals: int = 2) -> str:
    """A share as percent.

    Example:
        >>> percent(0.88136), percent(1, 0)
        ('88.14%', '100%')
    """
    return f"{100 * ratio:.{decimals}f}%"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign.

    Example:
        >>> points(0.0312), points(-0.004), points(-0.0)
        ('+3.12 points', '-0.40 points', '+0.00 points')
    """
    return f"{100 * difference + 0.0:+.2f} points"  # minus zero plus zero is zero


def span(low: float, high: float, decimals: int = 1) -> str:
    """An interval of shares as percent.

    Example:
        >>> span(0.86, 0.9)
        '86.0 to 90.0%'
    """
    return f"{100 * low:.{decimals}f} to {percent(high, decimals)}"


def number(value: float | None) -> str:
    """A figure with four significant digits; a dash where there is none.

    Example:
        >>> number(0.881361), number(2141.0), number(1.5e-9), number(None)
        ('0.8814', '2,141', '1.5e-09', '–')
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def decimal(value: float | None) -> str:
    """A figure around one with three decimals, so that a column of them lines up; a dash where there is none.

    Example:
        >>> decimal(0.04796), decimal(None)
        ('0.048', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def count(rows: int) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> count(13043)
        '13,043'
    """
    return f"{rows:,}"


def plain(text: str) -> str:
    """The text on one line, with control characters and half surrogate pairs made visible as the replacement sign.

    Example:
        >>> plain("two  words" + chr(0))
        'two words�'
    """
    one_line = " ".join(text.split())
    return "".join(_REPLACEMENT if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in one_line)


def shorten(text: str, letters: int) -> str:
    """The text made plain and cut to at most so many letters, an ellipsis for what is missing.

    Example:
        >>> shorten("a long  sentence", 7)
        'a long…'
    """
    # Cut first: a text may be megabytes. White space can only shrink it further, hence the fourfold room.
    line = plain(text[: 4 * letters])
    if len(line) <= letters and len(text) <= 4 * letters:
        return line
    return line[: letters - 1].rstrip() + _ELLIPSIS
