"""Writes the reference pages that follow from the code: settings, command line, metrics.

    python tools/write_reference.py            writes docs/settings.md, docs/cli.md, docs/metrics.md

A test runs this and fails when a page is not what the code says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main
from prometheus_client.metrics import MetricWrapperBase

from seatrial.cli.main import app
from seatrial.config import Settings
from seatrial.serving.metrics import MetricsSink
from seatrial.serving.request_counts import RequestCounts

DOCS = Path(__file__).parent.parent / "docs"


def settings_page() -> str:
    """Every setting with its default and meaning."""
    lines = [
        "# Settings",
        "",
        (
            "One `seatrial.toml` describes one project. `SEATRIAL_SECTION__KEY` in the environment is stronger than "
            "the file, the command line is stronger still. Unknown keys are refused with their place. "
            "`seatrial config show` prints each value and where it came from. `SEATRIAL_HOME` moves the state "
            "(default: `.seatrial` in the project)."
        ),
    ]
    for section, kind in Settings.sections().items():
        lines += ["", f"## [{section}]", "", str(kind.__doc__), "", "| setting | default | meaning |", "|---|---|---|"]
        for key, setting in kind.model_fields.items():
            default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
            lines.append(f"| `{key}` | `{json.dumps(default)}` | {setting.description} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Every command with its arguments and options."""
    lines = [
        "# Command line",
        "",
        (
            "Exit codes: 0 done, 1 a finding says no, 2 usage or configuration, 3 something outside does not answer, "
            "70 a fault of Seatrial itself, 130 ended by Ctrl-C, 143 by SIGTERM. One command at a time works on a "
            "project; the next waits and says for whom. "
            "Results go to standard output, progress and logs to standard error: bars and words on a terminal, plain "
            "lines and JSON elsewhere. `--log-level`, before the command, chooses what is logged."
        ),
    ]
    for path, command in _commands(typer.main.get_command(app), "seatrial"):
        lines += ["", f"## `{path}`", "", str(command.help).strip(), "", "| | default | |", "|---|---|---|"]
        for parameter in command.params:
            if parameter.name == "help":
                continue
            names = ", ".join(f"`{name}`" for name in parameter.opts) if parameter.param_type_name == "option" else ""
            shown = names or f"`{parameter.metavar or parameter.name.upper()}`"
            default = "" if parameter.default in (None, "", False) or callable(parameter.default) else parameter.default
            lines.append(
                f"| {shown} | {f'`{default}`' if default != '' else ''} | {getattr(parameter, 'help', '') or ''} |"
            )
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every series of the data plane."""
    lines = [
        "# Metrics",
        "",
        (
            "`GET /metrics` on the internal port (9090), for Prometheus. Units are base units; labels are few and "
            "bounded: an unknown model or version is labelled `unknown`. `status` is `success`, `error` (our fault), "
            "`invalid` (a client's mistake), `rejected` (queue full), `expired` or `cancelled`. "
            "`reason` of `inference_rejected_total` is `queue_full`, `not_ready`, `unauthenticated`, `rate_limited`, "
            "`connections`, `headers_too_large`, `slow_request`, `malformed` (no HTTP) or `unread_answer`; what is "
            "refused before it reaches a model counts there only. "
            "`gpu_memory_used_bytes` is absent where there is no NVIDIA driver."
        ),
        "",
        "| series | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for collector in MetricsSink()._registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            described = [(collector._type, collector._labelnames, collector._name, collector._documentation)]
        elif isinstance(collector, RequestCounts):
            described = [(one.type, one._labelnames, one.name, one.documentation) for one in collector.collect()]
        else:
            continue
        for kind, labels, name, meaning in described:
            shown = ", ".join(f"`{label}`" for label in labels)
            lines.append(f"| `{name}{'_total' if kind == 'counter' else ''}` | {kind} | {shown} | {meaning} |")
    lines.append("| `gpu_memory_used_bytes` | gauge | `gpu_id` | Memory in use on each GPU. |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page, "cli.md": cli_page, "metrics.md": metrics_page}


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")
