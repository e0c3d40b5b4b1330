"""How many processor cores this process may really use."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["quota_cores", "usable_cores"]


def usable_cores() -> int:
    """Cores the scheduler gives this process, less where its container has a smaller quota; at least 1.

    A container limited to two cores on a machine of 64 sees all 64: 64 workers in it would be stopped by the quota
    most of the time, each in the middle of a batch.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(affinity, quota_cores(Path("/sys/fs/cgroup/cpu.max")) or affinity)


def quota_cores(cpu_max: Path) -> int | None:
    """Cores of a cgroup's quota, rounded, at least 1; None where there is none.

    Args:
        cpu_max: file of the form ``<quota> <period>`` in microseconds, or ``max <period>``.

    Source:
        Linux kernel documentation, Control Group v2, "CPU Interface Files".
    """
    try:
        quota, period = cpu_max.read_text("ascii").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
