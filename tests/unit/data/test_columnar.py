from __future__ import annotations

import subprocess
import sys

import pytest

from seatrial.data.columnar import parquet_library
from seatrial.domain.errors import MissingExtraError


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow: install it with pip install 'seatrial\[control\]'"):
        parquet_library()


def test_the_library_is_loaded_only_when_it_is_used() -> None:
    code = "import sys, seatrial.data.prepare; sys.exit('pyarrow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
