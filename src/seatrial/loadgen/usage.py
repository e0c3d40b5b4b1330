"""CPU and memory of a process and its descendants, read from /proc: Linux only, None elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "cpu_s", "descendants", "memory"]

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process tree holds in memory.

    Attributes:
        rss_bytes: resident, pages shared with others counted in full for each process.
        pss_bytes: resident, pages shared with others divided by how many share them.
    """

    rss_bytes: int
    pss_bytes: int


def descendants(pid: int) -> list[int]:
    """The process and its children, their children and so on; empty where it does not exist."""
    children: dict[int, list[int]] = {}
    for each in _processes():
        fields = _stat(each)
        if fields:
            children.setdefault(int(fields[1]), []).append(each)
    found = [pid] if _stat(pid) else []
    for each in found:
        found += children.get(each, [])
    return found


def cpu_s(pid: int) -> float | None:
    """Seconds of CPU that the tree has used, user and system, in steps of 10 ms.

    Children that have ended count where their parent has waited for them.
    """
    ticks = [sum(map(int, fields[11:15])) for each in descendants(pid) if (fields := _stat(each))]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def memory(pid: int) -> Memory | None:
    """Memory of the tree now."""
    rss = pss = 0
    found = False
    for each in descendants(pid):
        try:
            rollup = (_PROC / str(each) / "smaps_rollup").read_text("ascii")
        except OSError:  # it has just ended, or belongs to somebody else
            continue
        found = True
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in map(_parted, rollup.splitlines()[1:])}
        rss, pss = rss + sizes["Rss"], pss + sizes["Pss"]
    return Memory(rss, pss) if found else None


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _processes() -> Iterator[int]:
    if _PROC.is_dir():
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command, which may hold blanks and brackets; empty where it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
