"""The door to pyarrow: imported where Parquet is read or written, not before."""

from __future__ import annotations

from typing import Any

from seatrial.domain.errors import MissingExtraError

__all__ = ["parquet_library"]


def parquet_library() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "control") from error
    return pa, pq
