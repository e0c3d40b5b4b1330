"""Servers side by side, and what ours reaches: one sitting, rounds in turn, medians.

    python -m benchmarks.serving             three rounds of all servers and the sweeps, about half an hour
    python -m benchmarks.serving --quick     one short round, two minutes, rough figures

Run it on an idle machine. docs/benchmarks.md says what is compared with what, and how it is measured.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.contestants import OURS, OURS_INT8
from benchmarks.goals import goals
from benchmarks.machine import described
from benchmarks.material import Material
from benchmarks.plots import write_clients, write_loads
from benchmarks.rounds import OPEN_RATIO, SWEEP_CLIENTS, SWEEP_LOADS, Measured, Plan, measure
from benchmarks.table import goal_table, table
from seatrial.loadgen.results import LoadResult

ROOT = Path(__file__).parent.parent
_THOROUGH, _QUICK = Plan(), Plan(rounds=1, window_s=2.0, warm_up_s=0.5, least_open_s=2.0, sweep=False)


def main() -> None:
    """Measures and prints; writes only where it is told to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT / "seatrial-demo", help="project of an earlier demo")
    parser.add_argument("--out", type=Path, help="directory to write SERVING.md and its pictures into")
    add_options(parser)
    arguments = parser.parse_args()
    lines = report(arguments.project, plan_of(arguments), arguments.out)
    command = f"python -m benchmarks.serving {' '.join(sys.argv[1:])}".strip()
    page = "\n".join(["# Serving", "", *described(command), "", *lines]) + "\n"
    print(page)
    if arguments.out is not None:
        (arguments.out / "SERVING.md").write_text(page, "utf-8")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that decide how thoroughly is measured."""
    parser.add_argument("--quick", action="store_true", help="one short round of servers, no sweeps: rough figures")
    parser.add_argument("--window", type=float, help="seconds of a window; default: 8, with --quick 2")
    parser.add_argument(
        "--here", action="store_true", help="run the references with this environment's packages, install nothing"
    )


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the options ask for."""
    plan = replace(_QUICK if arguments.quick else _THOROUGH, own_environments=not arguments.here)
    return replace(plan, window_s=arguments.window) if arguments.window else plan


def report(project: Path, plan: Plan, pictures: Path | None) -> list[str]:
    """Measures, and tells it as lines of Markdown.

    Args:
        pictures: directory the pictures go to; None: none are drawn.
    """
    material = Material.of(project)
    measured = measure(material, plan)
    lines = [
        "## Goals of serving",
        "",
        f"Medians of {plan.rounds} rounds, {len(material.texts)} held-out texts. A window has {plan.window_s:g} s, and",
        f"{max(plan.window_s, plan.least_open_s):g} s in an open loop.",
        "c32: 32 clients, one text a request, closed loop; 4x32: 4 clients, 32 texts a request.",
        "How it is measured: docs/benchmarks.md.",
        "",
        *goal_table(goals(measured, material)),
        "",
        "## Servers side by side",
        "",
        *_servers(measured),
        "",
        *_remarks(measured),
    ]
    return [*lines, *_sweeps(measured, pictures)] if plan.sweep else lines


def _servers(measured: Measured) -> list[str]:
    head = ["server", "one client p50 ms", "c8 texts/s", "c32 texts/s", "c32 p99 ms", "over the textbook",
            "CPU ms a text", "4x32 texts/s", "client's CPU, cores"]  # fmt: skip
    base = measured.median("textbook", "c32", _rate)
    rows = []
    for name, label in measured.labels.items():
        rate = measured.median(name, "c32", _rate)
        rows.append([
            label,
            _shown(measured.median(name, "c1", lambda result: result.answered.p50_ms)),
            _shown(measured.median(name, "c8", _rate)),
            _shown(rate),
            _shown(measured.median(name, "c32", lambda result: result.answered.p99_ms)),
            _shown(rate / base if rate and base else None, "{:.2f}x"),
            _shown(measured.median(name, "c32", lambda result: result.server_cpu_ms_a_text)),
            _shown(measured.median(name, "4x32", _rate)),
            _shown(measured.median(name, "c32", lambda result: result.client_cpu_ratio), "{:.3f}"),
        ])  # fmt: skip
    for name, label in ((OURS, "our engine in process, fp32"), (OURS_INT8, "our engine in process, int8")):
        shown = _shown(measured.engine_median(name, "engine_texts_per_s"))
        rows.append([label, "", "", shown, "", "", "", shown, ""])
    return table(head, rows)


def _remarks(measured: Measured) -> list[str]:
    """What stands beside the tables."""
    peak, roof = (measured.engine_median(OURS, figure) for figure in ("sgemm_flops", "roof_texts_per_s"))
    lines = []
    for name in (OURS, OURS_INT8):
        p50, p99, late = (
            measured.median(name, "open", figure) for figure in (_p50, _p99, lambda result: result.lateness.p99_ms)
        )
        lines.append(
            f"- {measured.labels[name]}, open loop at {OPEN_RATIO:.0%} of its c32 rate: p50 {_shown(p50)} ms, p99 "
            f"{_shown(p99)} ms from the scheduled arrival; the client itself was late by {_shown(late)} ms at p99."
        )
    if peak is not None:
        lines.append(f"- sgemm peak of all cores: {peak / 1e9:.0f} GFLOP/s, which would allow {_shown(roof)} texts/s.")
    for moment, held in measured.memory.items():
        lines.append(
            f"- memory of seatrial serve, fp32, {moment}: RSS {held.rss_bytes / 1e6:.0f} MB, "
            f"PSS {held.pss_bytes / 1e6:.0f} MB."
        )
    return lines


def _sweeps(measured: Measured, pictures: Path | None) -> list[str]:
    clients = [(count, measured.results[OURS, f"clients {count}"][0]) for count in SWEEP_CLIENTS]
    loads = [(ratio, measured.results[OURS, f"load {ratio}"][0]) for ratio in SWEEP_LOADS]
    head = ["p50 ms", "p95 ms", "p99 ms", "CPU ms a text"]
    lines = ["", "## Ours over clients and load", ""]
    lines += table(["clients", "texts/s", *head], [[f"{x}", *_sweep_row(result)] for x, result in clients])
    lines += ["", *table(["load", "texts/s", *head], [[f"{x:.0%}", *_sweep_row(result)] for x, result in loads])]
    if pictures is not None:
        write_clients(
            pictures / "clients.svg",
            [(x, result.texts_per_s) for x, result in clients],
            [(x, _p50(result)) for x, result in clients],
            [(x, _p99(result)) for x, result in clients],
        )
        write_loads(
            pictures / "load.svg",
            [(x, _p50(result)) for x, result in loads],
            [(x, _p99(result)) for x, result in loads],
        )
        lines += ["", "![Throughput and latency over clients](clients.svg)", "", "![Latency over load](load.svg)"]
    return lines


def _sweep_row(result: LoadResult) -> list[str]:
    answered = result.answered
    figures = (result.texts_per_s, answered.p50_ms, answered.p95_ms, answered.p99_ms, result.server_cpu_ms_a_text)
    return [_shown(figure) for figure in figures]


def _rate(result: LoadResult) -> float:
    return result.texts_per_s


def _p50(result: LoadResult) -> float:
    return result.answered.p50_ms


def _p99(result: LoadResult) -> float:
    return result.answered.p99_ms


def _shown(figure: float | None, form: str = "{:.1f}") -> str:
    return "" if figure is None else form.format(figure)


if __name__ == "__main__":
    main()
