"""Files of tensors: safetensors hides the operating system's errors in its own, this brings them back."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from seatrial.bundle import storage_errors

__all__ = ["tensor_storage_errors"]


@contextlib.contextmanager
def tensor_storage_errors(what: str) -> Iterator[None]:
    """`storage_errors` for code that writes through safetensors.

    Raises:
        StorageFullError: no room.
        OSError: any other fault of the disk.
    """
    from safetensors import SafetensorError

    with storage_errors(what):
        try:
            yield
        except SafetensorError as error:
            # The Rust library gives errno only in its message: "I/O error: File too large (os error 27)".
            if found := re.search(r"\(os error (\d+)\)", str(error)):
                raise OSError(int(found[1]), str(error)) from error
            raise
