"""The core install is enough to serve: a wheel of this tree in an environment that has nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders import onnx_bundle
from tests.servers import absent
from tests.serving_process import serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SIZE_LIMIT_BYTES = 400_000_000
INSTALLERS = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
"""What `python -m venv` puts in by itself."""
OF_THE_EXTRAS = (
    "alembic", "jinja2", "matplotlib", "mlflow", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "sqlalchemy", "torch",
    "transformers",
)  # fmt: skip


@dataclass(frozen=True)
class Install:
    """An environment with the core install."""

    bin_dir: Path
    site_packages: Path

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A program of the environment, without what this process has in its environment for Python or Seatrial."""
        return subprocess.run(
            [self.bin_dir / program, *arguments],
            cwd=cwd, env=_clean_environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    _with_index(sys.executable, "-m", "build", "--wheel", "--outdir", tree / "dist", tree)
    (built,) = (tree / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    environment = tmp_path_factory.mktemp("core") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    _with_index(python, "-m", "pip", "install", "--no-compile", "--constraint", ROOT / "constraints.txt", wheel)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    return Install(environment / "bin", site_packages)


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("seatrial/")}
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in (source / "seatrial").rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert {name for name in held if re.search(r"/migrations/versions/\w+\.py$", name)}, "no migrations"
    assert {name for name in held if name.startswith("seatrial/reports/templates/")}, "no templates"
    assert "seatrial/py.typed" in held


def test_no_package_of_the_extras_comes_along(core: Install, tmp_path: Path) -> None:
    code = (
        "import importlib.util, json, sys; print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))"
    )
    found = core.run("python", "-c", code, *OF_THE_EXTRAS, "seatrial", cwd=tmp_path)
    assert json.loads(found.stdout) == ["seatrial"], found.stderr


def test_the_requirements_agree_with_each_other(core: Install, tmp_path: Path) -> None:
    checked = core.run("python", "-m", "pip", "check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_the_install_is_small(core: Install, record_property: Callable[[str, object], None]) -> None:
    sizes = {path.name: _size_bytes(path) for path in core.site_packages.iterdir() if path.name not in INSTALLERS}
    total = sum(sizes.values())
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    words = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in largest)
    print(f"core install: {total / 1e6:.0f} MB without byte code; largest (MB): {words}")
    record_property("core_install_bytes", total)
    assert total < SIZE_LIMIT_BYTES


def test_the_command_line_explains_itself(core: Install, tmp_path: Path) -> None:
    asked = core.run("seatrial", "--help", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert "serve" in asked.stdout


def test_a_bundle_is_served(core: Install, tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "bundle")
    command = (core.bin_dir / "seatrial", "serve", "--bundle", bundle.directory)
    with serving(command, tmp_path, _clean_environment()) as plane:
        answer = plane.predict(["a good film", "the plot was dull and the screen broken"])
        assert answer["predictions"] == ["positive", "negative"]
        assert [max(row) > 0.6 and abs(sum(row) - 1) < 1e-6 for row in answer["probabilities"]] == [True, True]
        assert (answer["model"], answer["version"]) == ("tiny", "1")
        status, body = plane.get("/health")
        assert (status, json.loads(body)) == (200, {"status": "healthy", "model_loaded": True})
        assert plane.get("/ready")[0] == 200
        _, series = plane.get("/metrics", internal=True)
        assert 'inference_requests_total{model="tiny",status="success",version="1"} 1.0' in series


@pytest.mark.parametrize("arguments", [("train",), ("models", "list"), ("convert", "tiny@1")])
def test_a_command_that_needs_more_says_which_extra(core: Install, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    rows = "".join(f"text number {i},{'good' if i % 2 else 'bad'}\n" for i in range(400))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}", "utf-8")
    (tmp_path / "seatrial.toml").write_text('[data]\nsource = "rows.csv"\n', "utf-8")
    ended = core.run("seatrial", *arguments, cwd=tmp_path)
    assert ended.returncode == 3, ended.stderr
    assert re.search(r"pip install 'seatrial\[(control|registry|train|convert|all)\]'", ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr


def _with_index(*command: str | Path) -> None:
    """Runs what needs the package index: without an index there is nothing to test, any other failure is ours."""
    ended = subprocess.run(command, env=_clean_environment(), capture_output=True, text=True, timeout=300)
    if ended.returncode:
        output = ended.stdout + ended.stderr
        if "connection broken by" in output:
            absent("the package index does not answer, and the core install is fetched from it")
        pytest.fail(f"{command} ended with {ended.returncode}:\n{output[-4000:]}")


def _clean_environment() -> dict[str, str]:
    """This process's environment without its settings of Python and Seatrial."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEATRIAL_"))}


def _size_bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file())
