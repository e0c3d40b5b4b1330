"""Commands about notifications: test, status."""

from __future__ import annotations

import time

import typer

from seatrial.cli.exit_codes import UNREACHABLE
from seatrial.cli.options import HERE, Json, ProjectDir, open_project
from seatrial.cli.output import print_json, print_table, say

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("test")
def try_receivers(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Send one test message to the webhook and to Alertmanager, whichever are set; exit 3 if one does not take it."""
    from seatrial.flows.notifications import try_out

    with open_project(project) as opened:
        told = try_out(opened.workshop)
    if as_json:
        print_json(told)
    else:
        rows = [(one["receiver"], one["url"], "taken" if one["taken"] else one["fault"]) for one in told]
        print_table(("receiver", "address", "test message"), rows)
    if not all(one["taken"] for one in told):
        raise typer.Exit(UNREACHABLE)


@app.command()
def status(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Print how far the webhook is (the last entry it was told of, how many wait, why), and the alarms that stand."""
    from seatrial.flows.notifications import alarms, standing

    with open_project(project) as opened:
        stands, wrong = standing(opened.workshop), alarms(opened.workshop, time.time())
    if as_json:
        print_json({**stands, "alarms": wrong})
        return
    if stands["position"] is None:
        say("The webhook has not begun: it does when the control plane runs with control.webhook_url.")
    else:
        say(f"Told up to entry {stands['position']} of the record; {stands['waiting']} wait.")
    if stands["fault"]:
        say(f"Failing since {stands['failing_since']}: {stands['fault']}")
    if wrong:
        columns = ("alarm", "model", "severity", "since", "sentence", "command")
        print_table(columns, [[one[name] for name in columns] for one in wrong])
    else:
        say("No alarm stands.")
