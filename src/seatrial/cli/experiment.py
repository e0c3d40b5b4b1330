"""`seatrial experiment`: compare two versions by what their users do, for as long as it takes."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Json, ProjectDir, open_project
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.cli.release_steering import FOLLOWS, ModelName, Reason, carried_out, steered
from seatrial.domain.evidence import Finding

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Share = Annotated[
    float, typer.Option(metavar="PERCENT", help="Of the units that are taken in, how many get version b.")
]
Units = Annotated[float, typer.Option(metavar="PERCENT", help="Of all units, how many take part.")]
_FIGURES = ("control_value", "treatment_value", "difference", "low", "high", "e_value")
_METRIC = "NAME[:mean|:binary|:rare|:ratio][:lower]"


@app.command()
def plan(
    metric: Annotated[str, typer.Option(metavar=f"{_METRIC}[:gain=X|:margin=X]", help="What is to be shown.")],
    value: Annotated[float, typer.Option(help="The metric today.")],
    effect: Annotated[
        float, typer.Option(help="The difference to be shown, of a rare metric relative; default: its gain or margin.")
    ] = 0.0,
    deviation: Annotated[
        float | None, typer.Option(help="Standard deviation over units; default: that of a metric of 0 and 1.")
    ] = None,
    share: Share = 50.0,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Say how many units an experiment needs before it can show an effect, or that a margin is kept."""
    from seatrial.flows.experiment_start import parse_metric
    from seatrial.wiring.comparing import units_needed

    with open_project(project) as opened:
        needed = units_needed(
            opened.settings,
            parse_metric(metric, guardrail=":margin=" in metric),
            value=value,
            effect=effect,
            deviation=deviation,
            share_percent=share,
        )
    if as_json:
        print_json(needed)
    elif needed["wanted_power"] is None:
        say(f"{needed['metric']}: no number of units that was tried is enough: look for a larger effect.")
    else:
        say(
            f"{needed['metric']}: shown after {needed['median']:,.0f} units in half of all experiments, after "
            f"{needed['wanted_power']:,.0f} in 80 %; {needed['exposed']:,.0f} of these get version b."
        )


@app.command()
def start(
    b: Annotated[str, typer.Option("--b", metavar="V", help="The version to compare: a number or an alias.")],
    metric: Annotated[list[str], typer.Option(metavar=f"{_METRIC}[:gain=X]", help="What must get better; repeat.")],
    a: Annotated[str, typer.Option("--a", metavar="V", help="What it is compared with.")] = "production",
    share: Share = 50.0,
    units: Units = 100.0,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(metavar=f"{_METRIC}:margin=X", help="What must not lose more than X; repeat."),
    ] = None,
    outcome_window: Annotated[
        str, typer.Option(metavar="TIME", help="As 90s, 24h or 7d; default: experiments.outcome_window_s.")
    ] = "",
    any_control: Annotated[bool, typer.Option(help="Version a need not be the one in production.")] = False,
    model: Annotated[str, typer.Option(help="Name of the model; default: the project's.")] = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Give a share of the users version b, for good, and compare what they do with what the others do."""
    from seatrial.domain.assignment import Intake
    from seatrial.flows.experiment_start import ExperimentRequest, begin_experiment, parse_window
    from seatrial.flows.experiments import listed

    window_s = parse_window(outcome_window) if outcome_window else None
    with open_project(project) as opened, steered(opened.workshop) as steering:
        workshop, name = opened.workshop, model or opened.settings.model.name
        request = ExperimentRequest(
            name,
            a,
            b,
            tuple(metric),
            tuple(guardrail or ()),
            Intake(units, share),
            workshop.actor,
            window_s,
            any_control,
        )
        began = begin_experiment(workshop, request)
        carried = carried_out(workshop, steering, name) if began.record else None
        head = listed(workshop, name)[0] if began.record else None
    if as_json:
        against = [finding.to_json() for finding in began.against]
        print_json({"experiment": head, "traffic": carried, "reason": began.reason, "against": against})
    elif head is None:
        print_findings(began.against)
        say(began.reason)
    else:
        say(f"Experiment {head['experiment']}: {began.reason}")
        say(FOLLOWS[str(carried)])
        say(f"Next: clients send outcomes to POST /feedback; then seatrial experiment status {name}")
    if head is None:
        raise typer.Exit(FINDING_SAYS_NO)


@app.command()
def epoch(
    units: Units,
    model: ModelName = "",
    share: Share = 50.0,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Take further units in, in another share if wanted; who takes part already keeps their version."""
    from seatrial.domain.assignment import Intake
    from seatrial.flows.experiments import listed, open_epoch

    with open_project(project) as opened, steered(opened.workshop) as steering:
        workshop, name = opened.workshop, model or opened.settings.model.name
        record = open_epoch(workshop, name, Intake(units, share), workshop.actor)
        carried = carried_out(workshop, steering, name)
        head = listed(workshop, name)[0]
    if as_json:
        print_json({"experiment": head, "traffic": carried})
    else:
        say(f"Epoch {len(record.intakes)} of experiment {record.plan.experiment}: {units:g} % of the units take part.")
        say(FOLLOWS[str(carried)])


@app.command()
def status(
    model: ModelName = "",
    report: Annotated[bool, typer.Option("--report", help="Write a page with pictures too, and say where.")] = False,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Show what the latest experiment of a model has shown so far; look as often as you like."""
    from seatrial.flows import experiments

    with open_project(project) as opened, steered(opened.workshop) as steering:
        workshop, name = opened.workshop, model or opened.settings.model.name
        records = workshop.store.experiments.of_model(name)
        document = experiments.status(workshop, steering, records[-1], time.time(), page=report) if records else None
        heads = experiments.listed(workshop, name)
    if as_json:
        print_json({"model": name, "experiment": document, "experiments": heads})
    elif document is None:
        say(f"No experiment of {name} yet: begin one with seatrial experiment start --b V --metric NAME.")
    else:
        _print_status(document)


@app.command()
def stop(
    model: ModelName = "",
    verdict: Annotated[
        str, typer.Option(help="ship, keep, harmful or undecided; default: what the readout says.")
    ] = "",
    reason: Reason = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """End the experiment: its findings go on record, and all traffic returns to production."""
    from seatrial.flows import experiments

    with open_project(project) as opened, steered(opened.workshop) as steering:
        workshop, name = opened.workshop, model or opened.settings.model.name
        stopped = experiments.stop(
            workshop, steering, name, verdict=verdict, reason=reason, actor=workshop.actor, now_s=time.time()
        )
        carried = carried_out(workshop, steering, name)
    plan = stopped.record.plan
    following = f"seatrial release start {plan.subject}" if stopped.record.verdict == "ship" else None
    if as_json:
        findings = [finding.to_json() for finding in stopped.findings]
        shown = experiments.shown_words(stopped.compared) if stopped.compared else {}
        print_json(
            {"experiment": plan.experiment, "verdict": stopped.record.verdict, "findings": findings,
             **shown, "traffic": carried, "next": following}
        )  # fmt: skip
        return
    say(f"Experiment {plan.experiment} is over: {stopped.record.verdict}.")
    print_findings(stopped.findings)
    say(FOLLOWS[str(carried)])
    if following:
        say(f"No alias has moved: a release does that. Next: {following}")


def _print_status(document: dict[str, Any]) -> None:
    readout = document["readout"]
    state = "running" if document["running"] else f"stopped: {document['verdict']}"
    say(f"Experiment {document['experiment']}: version {document['b']} against {document['a']}, {state}")
    epochs = ", ".join(f"{one['units_percent']:g} % at {one['treatment_percent']:g} %" for one in document["epochs"])
    say(f"Units taking part, and share of version {document['b']} among those newly taken in: {epochs}")
    say(f"Units that came: {readout['control_units']} to version a, {readout['treatment_units']} to version b")
    print_table(
        ("metric", "a", "b", "difference", "from", "to", "e-value", "standing"),
        [
            (one["metric"] + (" (guardrail)" if one["guardrail"] else ""),
             *(_figure(one[key]) for key in _FIGURES),
             one["standing"])
            for one in readout["metrics"]
        ],
    )  # fmt: skip
    print_findings([Finding.from_json(finding) for finding in document["findings"]])
    if document["journal_missed"]:
        say("Some entries of the journal were deleted before they were read: raise serving.journal_max_bytes.")
    say(f"{readout['judgement'].replace('_', ' ')}: {readout['reason']}")
    if "report" in document:
        say(f"Report: {document['report']}")


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
