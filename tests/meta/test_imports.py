"""What is loaded when: the door stays light, and the data plane never needs what it may not have."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time

import pytest

HEAVY = ("fastapi", "mlflow", "pandas", "scipy.stats", "torch", "transformers")
NOT_SERVED_WITH = ("mlflow", "pandas", "scipy", "sqlalchemy", "torch", "transformers")


def loaded_by(script: str, watched: tuple[str, ...]) -> list[str]:
    """Which of the watched modules a fresh process has loaded after the script."""
    report = f"\nimport json, sys\nprint(json.dumps([name for name in {watched!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script) + report],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_the_package_itself_loads_nothing_heavy_and_at_once() -> None:
    start = time.perf_counter()
    assert loaded_by("import seatrial", (*HEAVY, "pydantic", "numpy", "onnxruntime", "rich", "typer")) == []
    assert time.perf_counter() - start < 3  # some 0.1 s, most of it Python's own


def test_a_client_loads_nothing_of_the_server() -> None:
    server = ("numpy", "onnxruntime", "pydantic", "seatrial.bundle", "seatrial.config", "seatrial.flows", "typer")
    assert loaded_by("import seatrial; seatrial.Client; seatrial.AsyncClient", (*HEAVY, *server)) == []


def test_help_loads_nothing_heavy() -> None:
    script = """
    import sys
    sys.argv = ["seatrial", "--help"]
    from seatrial.cli.main import run
    try:
        run()
    except SystemExit as end:
        assert not end.code, end.code
    """
    assert loaded_by(script, HEAVY) == []


@pytest.mark.parametrize("package", ["domain", "config", "bundle", "text", "client", "serving"])
def test_the_data_plane_needs_no_library_of_another_step(package: str) -> None:
    script = f"""
    import importlib, pkgutil
    package = importlib.import_module("seatrial.{package}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    """
    assert loaded_by(script, NOT_SERVED_WITH) == []


def test_the_engine_of_the_data_plane_needs_no_torch() -> None:
    assert loaded_by("import seatrial.engines.onnx_engine", NOT_SERVED_WITH) == []


def test_a_heavy_import_is_seen() -> None:
    assert loaded_by("import scipy.stats", HEAVY) == ["scipy.stats"]
