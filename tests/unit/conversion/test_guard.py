from __future__ import annotations

import errno
import logging
import warnings
from pathlib import Path

import pytest

from seatrial.conversion.guard import quiet, tool_errors
from seatrial.domain.errors import ConversionError, MissingExtraError, StorageFullError, UnsupportedModelError
from tests.limits import file_size_limit


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (RuntimeError("first\nsecond"), ConversionError, r"^Could not bake \(RuntimeError: first\): "),
        (OSError("no such file"), ConversionError, "no such file"),
        (OSError(errno.ENOSPC, "no space"), StorageFullError, "No room to bake"),
        (UnsupportedModelError("as it is"), UnsupportedModelError, "^as it is$"),
        (ModuleNotFoundError("x", name="onnx"), MissingExtraError, r"needs onnx: .*seatrial\[convert\]"),
        (MemoryError(), MemoryError, "^$"),
        (ValueError(), ConversionError, "ValueError"),
    ],
)
def test_a_tool_has_one_kind_of_error(
    tmp_path: Path, error: Exception, expected: type[Exception], message: str
) -> None:
    with pytest.raises(expected, match=message), tool_errors("bake", tmp_path, 10):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_odd_error_on_a_full_disk_is_a_full_disk(tmp_path: Path) -> None:
    """As when a tool in C++ cut a file short without a word, and then cannot read it."""
    with file_size_limit(1000), pytest.raises(StorageFullError, match="No room to bake"):  # noqa: SIM117
        with tool_errors("bake", tmp_path, 1001):
            raise ValueError("Wire format was corrupt")
    with file_size_limit(1000), pytest.raises(ConversionError, match="Wire format"):  # noqa: SIM117
        with tool_errors("bake", tmp_path, 1000):
            raise ValueError("Wire format was corrupt")


def test_what_tools_say_is_silenced_and_only_that(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), list(root.filters), logging.getLogger("onnxruntime").level)
    with quiet():
        logging.warning("written to the root logger")  # noqa: LOG015
        logging.getLogger("onnxruntime.transformers.x").info("a step")
        warnings.warn("Converting a tensor to a Python boolean might", stacklevel=1)
        with pytest.raises(UserWarning, match="of ours"):
            warnings.warn("of ours", stacklevel=1)
    assert (list(root.handlers), list(root.filters), logging.getLogger("onnxruntime").level) == before
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_other_loggers_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), quiet():
        logging.getLogger("seatrial.serving").warning("still here")
    assert caplog.messages == ["still here"]
