"""What every report must be, checked with the standard library's parser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})
_LOADING = frozenset({"src", "href", "srcset", "data", "action", "poster", "background"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name.rpartition(":")[2] in _LOADING]


def read(html: str) -> _Reader:
    """Parses a page whose tags must all be closed in order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open, f"never closed: {reader.open}"
    return reader


def check_well_formed(html: str) -> None:
    """Every tag is closed in order, no id occurs twice."""
    reader = read(html)
    assert html.startswith("<!DOCTYPE html>")
    assert len(reader.ids) == len(set(reader.ids))


def check_offline(html: str) -> None:
    """Nothing is loaded from anywhere, and nothing runs."""
    reader = read(html)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & reader.tags
    assert all(link.startswith("#") for link in reader.links)
    assert not re.search(r"@import|url\((?!#)|\son\w+=", html)
