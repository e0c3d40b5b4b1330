from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from seatrial.loadgen.usage import cpu_s, descendants, memory

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this system has no /proc")  # noqa: PTH112  evaluated at import

PARENT = """
import subprocess, sys
code = "print('up', flush=True); held = bytearray(b'x' * 50_000_000); input()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
sys.stdin.read()
child.communicate(b"end")
"""


def test_a_tree_counts_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        tree = descendants(parent.pid)
        assert (len(tree), tree[0]) == (2, parent.pid)
        deadline_s = time.monotonic() + 30
        while (held := memory(parent.pid)) is None or held.rss_bytes < 60_000_000:
            assert time.monotonic() < deadline_s
        assert held.pss_bytes <= held.rss_bytes
        assert (cpu_s(parent.pid) or 0) > 0
        parent.communicate(b"")
    assert descendants(parent.pid) == []
    assert cpu_s(parent.pid) is None
    assert memory(parent.pid) is None


def test_cpu_is_what_was_computed_and_not_what_was_waited() -> None:
    before_s, started_s = cpu_s(os.getpid()), time.process_time()
    while time.process_time() - started_s < 0.1:
        pass
    after_s = cpu_s(os.getpid())
    assert before_s is not None
    assert after_s is not None
    assert after_s - before_s >= 0.08
