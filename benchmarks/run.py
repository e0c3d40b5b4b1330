"""`make bench`: measures what the project promises and writes benchmarks/RESULTS.md with its pictures.

    python -m benchmarks.run                 everything; a fresh clone is installed, so it takes the better of an hour
    python -m benchmarks.run --skip-fresh    without the fresh clone; uses the project of an earlier demo
    python -m benchmarks.serving --quick     the servers alone, in two minutes, with rough figures

Run it on an idle machine: two cores shared with anything else measure something else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import promises, serving
from benchmarks.machine import described
from benchmarks.table import figure_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip-fresh", action="store_true", help="do not clone and install anew")
    parser.add_argument("--project", type=Path, default=ROOT / "seatrial-demo", help="project of an earlier demo")
    serving.add_options(parser)
    arguments = parser.parse_args()
    figures = promises.quick_figures()
    project = arguments.project
    if not arguments.skip_fresh:
        project, fresh = promises.fresh_demo()
        figures += fresh
    figures += promises.project_figures(project)
    lines = [
        "# Results",
        "",
        "Written by `make bench`. Absolute figures hold on the machine named only: compare ratios within this page.",
        "",
        *described(f"python -m benchmarks.run {' '.join(sys.argv[1:])}".strip()),
        "",
        "## What a newcomer meets",
        "",
        *figure_table(figures),
        "",
        *serving.report(project, serving.plan_of(arguments), RESULTS.parent),
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    RESULTS.write_text(report, "utf-8")


if __name__ == "__main__":
    main()
