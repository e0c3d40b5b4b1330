"""`seatrial release`: what a plan foretells, its rehearsal on simulated traffic, and releases themselves."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seatrial.cli import release_steering
from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Json, PlanFile, ProjectDir, Scenarios, open_project, plan_overrides
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.cli.progress import progress_display
from seatrial.domain.evidence import Verdict

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
release_steering.add_to(app)


@app.command()
def plan(
    plan_file: PlanFile = None, scenario: Scenarios = None, project: ProjectDir = HERE, as_json: Json = False
) -> None:
    """Tell before any traffic what each step costs and finds; a plan without the wanted power is refused."""
    from seatrial.flows import releases

    with open_project(project, plan_overrides(plan_file)) as opened:
        foretold = releases.foretell_live(opened.settings, scenario or ())
    if as_json:
        print_json(foretold.document)
    else:
        _print_forecast(foretold.document)
        print_findings([foretold.finding])
    if foretold.finding.verdict is not Verdict.PASS:
        raise typer.Exit(FINDING_SAYS_NO)


@app.command()
def rehearse(
    plan_file: PlanFile = None,
    scenario: Scenarios = None,
    runs: Annotated[int, typer.Option(min=1, max=100_000, help="How many releases.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal runs.")] = 0,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Release again and again on simulated traffic and a fake clock, through the real decision."""
    from seatrial.flows import releases

    with open_project(project, plan_overrides(plan_file)) as opened, progress_display() as progress:
        rehearsed = releases.rehearse(opened.settings, scenario or (), runs, seed, progress)
    if as_json:
        print_json(rehearsed.document)
        return
    document = rehearsed.document
    say(
        f"{len(document['runs'])} runs in {document['seconds']:.1f} s: {document['rolled_back']} rolled back, "
        f"{document['promoted']} promoted, {document['held']} held."
    )
    print_table(
        ("until rolled back", "median", "p95"),
        [
            (what.replace("_", " "), figures["median"], figures["p95"])
            for what, figures in document["until_rolled_back"].items()
        ],
    )
    print_findings([rehearsed.finding])
    say(f"Report: {rehearsed.report}")


def _print_forecast(document: dict[str, Any]) -> None:
    print_table(
        ("step", "requests", "hours", "users at most", "power", "errors found", "slowdown found", "label shift found"),
        [
            (
                f"{step['percent']:g} %",
                f"{step['min_requests']} to {step['budget_requests']}",
                f"{step['min_h']:.2f} to {step['budget_h']:.2f}",
                step["exposed_units"],
                f"{step['power']:.2f}",
                _times(step["error_rise"]),
                _times(step["slowdown"]),
                None if step["label_shift"] is None else f"{step['label_shift']:.0%}",
            )
            for step in document["steps"]
        ],
    )
    say(f"Hours at {document['requests_per_s']:.3g} requests/s, {document['requests_per_s_origin']}.")


def _times(ratio: float | None) -> str | None:
    return None if ratio is None else f"x{ratio:.3g}"
