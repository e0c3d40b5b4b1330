"""Measures what releases promise under real HTTP traffic: `python -m benchmarks.releases`.

    python -m benchmarks.releases                    everything, about half an hour
    python -m benchmarks.releases --quick            a sixth of it
    python -m benchmarks.releases --only rollback    one part: equal, rollout, shadow, rollback

Needs the project of an earlier demonstration and an idle machine. Prints a table, and writes it to
benchmarks/RELEASES.md when everything was measured in full. `make soak` and the tests run parts of the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.hardships import Check, Sizes, Subject
from benchmarks.machine import described
from benchmarks.material import Material
from benchmarks.rollbacks import rolled_back
from benchmarks.rollouts import equal_releases, rolled_out, shadowed
from benchmarks.soak import ROOT, subject_of
from benchmarks.table import Figure, figure_table

RESULTS = Path(__file__).parent / "RELEASES.md"
_SHARES = {1.0: 2_000, 10.0: 1_000, 50.0: 600}
"""Requests of one release of equal versions, by the challenger's share in percent."""


def parts(subject: Subject, project: Path, quick: bool) -> dict[str, Callable[[], list[Check]]]:
    """Each part, whole or quick."""
    return {
        "equal": lambda: equal_releases(subject, 10 if quick else 60, _SHARES),
        "rollout": lambda: rolled_out(subject, Sizes(released=2_000 if quick else 20_000)),
        "shadow": lambda: shadowed(subject, 2 if quick else 6),
        "rollback": lambda: rolled_back(project, 1 if quick else 5),
    }


def main() -> None:
    """Measures, prints, and writes the table when everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT / "seatrial-demo", help="project of an earlier demo")
    parser.add_argument("--quick", action="store_true", help="rough figures")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    arguments = parser.parse_args()
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="seatrial-releases-") as directory:
        subject = subject_of(Material.of(arguments.project), Path(directory))
        every = parts(subject, arguments.project, arguments.quick)
        for name in arguments.only.split(",") if arguments.only else every:
            started_s = time.monotonic()
            checks += every[name]()
            print(f"{name}: {time.monotonic() - started_s:.0f} s", file=sys.stderr, flush=True)
    figures = [Figure(check.what, check.value, check.limit, check.met) for check in checks]
    command = f"python -m benchmarks.releases {' '.join(sys.argv[1:])}".strip()
    page = "\n".join(["## Releases under real traffic", "", *described(command), "", *figure_table(figures)]) + "\n"
    print(page)
    if not (arguments.only or arguments.quick):
        RESULTS.write_text(page, "utf-8")
    sys.exit(0 if all(check.met for check in checks) else 1)


if __name__ == "__main__":
    main()
