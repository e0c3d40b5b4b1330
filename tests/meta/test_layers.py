"""The tree is the lifecycle: the import contracts of pyproject.toml hold, and would be seen to break."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    """Checks the contracts on the package below a source directory."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--config", str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_contracts_hold() -> None:
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_each_contract_breaks_when_it_is_broken(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path, dirs_exist_ok=True)
    for path, line in {
        "domain/wrong.py": "import seatrial.config",  # upwards
        "training/wrong.py": "import seatrial.serving",  # from step to step
        "cli/wrong.py": "import seatrial.training",  # past wiring
        "text/wrong.py": "import torch",  # out of its room
    }.items():
        (tmp_path / "seatrial" / path).write_text(line, "utf-8")
    (tmp_path / "seatrial" / "undeclared").mkdir()
    (tmp_path / "seatrial" / "undeclared" / "__init__.py").touch()
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept" in done.stdout
    for found in (
        "seatrial.domain.wrong -> seatrial.config",
        "seatrial.training.wrong -> seatrial.serving",
        "seatrial.cli.wrong -> seatrial.training",
        "seatrial.text.wrong -> torch",
        "undeclared",
    ):
        assert found in done.stdout
