"""Limits of this process for the length of a block: a full disk without filling one."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond the size: the write fails with EFBIG, one of the faults of a full disk.

    For the body of a test, never a fixture: pytest reports a test before it takes its fixtures down, and its own output
    may be a file that is over the limit already.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
