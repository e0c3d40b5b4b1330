"""Documentation says what the code does: reference pages, README commands, changelog, links."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from seatrial import __version__
from seatrial.cli.main import app

ROOT = Path(__file__).parents[2]


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "tools" / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings.md", "cli.md", "metrics.md"])
def test_a_reference_page_is_what_the_code_says(page: str) -> None:
    written = (ROOT / "docs" / page).read_text("utf-8")
    assert written == _reference().PAGES[page](), "run: python tools/write_reference.py"


def test_the_series_of_the_mission_are_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    for series in ("inference_requests_total", "inference_latency_seconds", "gpu_memory_used_bytes"):
        assert f"`{series}`" in page


def test_the_changelog_begins_with_this_version() -> None:
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert heads[0] == __version__


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/upkeep.md"])
def test_every_command_of_the_readme_exists(readme: str) -> None:
    """Commands with their options are parsed by the real command line; make targets are in the Makefile."""
    text = (ROOT / readme).read_text("utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for target in re.findall(r"make ([a-z-]+)", blocks):
        assert target in targets, target
    for line in blocks.splitlines():
        command = line.partition("#")[0].partition("&&")[0].strip()
        if command.startswith("seatrial "):
            _parses(shlex.split(command)[1:])


def _parses(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("seatrial", ["--help"], resilient_parsing=True)
    while hasattr(command, "commands"):
        assert words, "a group alone is no command"
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    parsed = command.make_context("seatrial", words, parent=context)
    assert parsed is not None


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_documentation_builds_strictly(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "index.html").is_file()


def test_nothing_names_a_place_outside_the_project() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        content = (ROOT / name).read_bytes()
        for place in (b"../" + b"shared", b"/wo" + b"rk/", b".lib" + b"rary"):
            assert place not in content, f"{name} names {place.decode()}"
