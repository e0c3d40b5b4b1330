"""What `seatrial init` writes: a commented seatrial.toml made from the settings themselves, and a runnable example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seatrial.bundle import write_text_atomically
from seatrial.config import CONFIG_FILE, Settings

__all__ = ["settings_template", "write_project"]

_LIVE = {"model.name", "data.source"}
"""Settings the template writes without a comment sign: the two that everybody changes."""

_README = """\
# A Seatrial project

    seatrial train                          # prepare, train, evaluate, register
    seatrial models list                    # what there is
    seatrial convert bert-sentiment@candidate
    seatrial serve bert-sentiment@production
    python ask.py "A lovely little film."   # in a second terminal

Settings are in seatrial.toml; `seatrial config show` tells each value and where it came from.
"""

_ASK = '''\
"""Asks the served model about the texts on the command line; needs nothing but Python."""

import json
import sys
import urllib.request

texts = sys.argv[1:] or ["A lovely little film.", "Broke after two days."]
request = urllib.request.Request(
    "http://127.0.0.1:8080/predict",
    json.dumps({"texts": texts}).encode(),
    {"Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
for text, label, probabilities in zip(texts, answer["predictions"], answer["probabilities"]):
    print(f"{label:>10} {max(probabilities):.3f}  {text}")
'''


def settings_template() -> str:
    """A seatrial.toml with every setting, its meaning and its default, all but two commented out."""
    lines = [
        "# Settings of this project. A commented line shows its default: remove the '#' to change it.",
        "# SEATRIAL_SECTION__KEY in the environment is stronger, for example SEATRIAL_SERVING__PORT=18080.",
    ]
    for section, kind in Settings.sections().items():
        lines += ["", f"# {kind.__doc__}", f"[{section}]"]
        for key, setting in kind.model_fields.items():
            sign = "" if f"{section}.{key}" in _LIVE else "# "
            lines += [f"# {setting.description}", f"{sign}{key} = {_toml(setting.default)}"]
    return "\n".join(lines) + "\n"


def write_project(directory: Path) -> list[Path]:
    """Writes the files that are not there yet, and returns them; never touches one that is.

    Raises:
        StorageFullError: no room.
    """
    files = {CONFIG_FILE: settings_template(), "README.md": _README, "ask.py": _ASK}
    missing = [directory / name for name in files if not (directory / name).exists()]
    for path in missing:
        write_text_atomically(path, files[path.name])
    return missing


def _toml(value: Any) -> str:
    """A default as TOML: JSON's strings, numbers, booleans and arrays are TOML's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
