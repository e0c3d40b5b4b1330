"""An environment of its own for each reference, with the versions of constraints.txt, made once."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

from benchmarks.machine import run

ROOT = Path(__file__).parent.parent
WHERE = ROOT / ".venv-bench"
SERVER = ("fastapi", "uvicorn", "uvloop", "httptools")  # what pip install 'fastapi[standard]' serves with
PACKAGES = {
    "textbook": (*SERVER, "torch", "transformers"),
    "plain": (*SERVER, "numpy", "onnxruntime", "tokenizers"),
    "mlflow": ("mlflow", "numpy", "onnxruntime", "tokenizers", "uvloop", "httptools"),
}


def python_of(name: str) -> str:
    """The interpreter of a reference's environment; installs it where it is not there yet (minutes, once)."""
    directory = WHERE / name
    python = directory / "bin" / "python"
    done = directory / ".installed"
    wanted = " ".join(PACKAGES[name])
    if not done.is_file() or done.read_text("utf-8") != wanted:
        print(f"installing the environment of {name} into {directory}", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--constraint", str(ROOT / "constraints.txt")]
        torch_index = os.environ.get("TORCH_INDEX_URL")
        if "torch" in PACKAGES[name] and torch_index:
            run([*pip, "--index-url", torch_index, "torch"])
        run([*pip, *PACKAGES[name]])
        done.write_text(wanted, "utf-8")
    return str(python)
