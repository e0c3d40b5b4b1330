"""Upkeep: config show, new-key, new-token and new-webhook-secret, doctor, gc, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO, UNREACHABLE, USAGE
from seatrial.cli.options import HERE, Json, ProjectDir, open_project
from seatrial.cli.output import print_findings, print_json, print_table, say, size_text
from seatrial.cli.progress import progress_display
from seatrial.domain.evidence import Verdict, worst

__all__ = ["add_to"]

_STYLE = {"ok": "green", "note": "yellow", "broken": "bold red"}
_config = typer.Typer(no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.add_typer(_config, name="config", help="Settings.")
    app.command()(doctor)
    app.command("gc")(collect)
    app.command()(backup)
    app.command()(restore)


@_config.command("show")
def config_show(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Print every setting, its value and where it came from; secrets are masked."""
    with open_project(project) as opened:
        rows = opened.settings.rows()
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
    else:
        print_table(("setting", "value", "from"), rows)


@_config.command("new-key")
def config_new_key(
    name: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, dots, dashes and underscores.")],
    requests_per_minute: Annotated[int | None, typer.Option(help="How often it may ask; default: no limit.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key for the public port or for /admin, and the line that admits it; the key is shown once, here."""
    from seatrial.flows.serve import new_api_key

    key, line = new_api_key(name, requests_per_minute)
    if as_json:
        print_json({"name": name, "key": key, "line": line})
        return
    say(f"key:  {key}\nline: {line}")
    say("Give the key to its user, and add the line to serving.api_keys_file or serving.admin_token_file.")


@_config.command("new-token")
def config_new_token(
    name: Annotated[str, typer.Argument(help="Whose token it is: letters, digits, dots, dashes and underscores.")],
    role: Annotated[str, typer.Option(help="viewer, releaser or admin.")] = "viewer",
    as_json: Json = False,
) -> None:
    """Make a token for the control plane's HTTP API, and the line that admits it; it is shown once, here."""
    from seatrial.control.tokens import token_line
    from seatrial.wiring.access import new_key

    token = new_key()
    line = token_line(name, role, token)
    if as_json:
        print_json({"name": name, "role": role, "token": token, "line": line})
        return
    say(f"token: {token}\nline:  {line}")
    say("Give the token to its user, and add the line to control.tokens_file.")


@_config.command("new-webhook-secret")
def config_new_webhook_secret(as_json: Json = False) -> None:
    """Make a secret that signs what the webhook is told; it is shown once, here."""
    from seatrial.flows.notifications import new_webhook_secret

    secret = new_webhook_secret()
    if as_json:
        print_json({"secret": secret})
        return
    say(f"secret: {secret}")
    say("Give it to the receiver, and write it into control.webhook_secret_file (or SEATRIAL_WEBHOOK_SECRET).")


def doctor(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Check this machine and this project: what works, what is missing, what to do about it."""
    from seatrial.flows.doctor import examine

    checks = examine(project)
    if as_json:
        print_json([check.to_json() for check in checks])
    else:
        print_table(
            ("", "what", "found", "advice"),
            [(check.state.value, check.what, check.found, check.advice) for check in checks],
            styles=[_STYLE[check.state.value] for check in checks],
        )
    broken = [check for check in checks if check.state.value == "broken"]
    if broken:
        raise typer.Exit(UNREACHABLE if all(check.outside for check in broken) else USAGE)


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would go, and delete nothing.")] = False,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Delete what the policy in [store] lets go; never what the ledger cites as served, nor what has an alias."""
    with open_project(project) as opened, progress_display() as progress:
        collected = opened.gc(dry_run=dry_run, progress=progress)
    if as_json:
        print_json(collected.to_json())
        return
    if collected.removals:
        rows = [(one.kind, one.what, one.why, size_text(one.size_bytes)) for one in collected.removals]
        print_table(("kind", "what", "why", "size"), rows)
    verb = "would go" if dry_run else "deleted"
    say(f"{len(collected.removals)} {verb}, {size_text(collected.size_bytes)} in all.")


def backup(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="Directory of the backup, which must be new.")],
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Copy the project's state while everything runs: ledger, registry, bundles, journal, and settings."""
    with open_project(project) as opened, progress_display() as progress:
        made = opened.backup(destination, progress=progress)
    if as_json:
        print_json(made.to_json())
        return
    said = made.manifest
    for line in said.damaged:
        say(f"damaged here, and copied as it is: {line}")
    for line in said.left_out:
        say(f"left out: {line}")
    say(f"{len(said.files)} files, {size_text(said.size_bytes)}, read back, in {made.directory}")
    say(f"ledger head: {said.head}")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Directory of a backup.")],
    into: Annotated[Path, typer.Option("--into", help="Directory of the project; made if need be.")] = HERE,
    force: Annotated[bool, typer.Option("--force", help="Move a state that is there already aside.")] = False,
    as_json: Json = False,
) -> None:
    """Put a backup's state into a project, verify it, and say what is in production."""
    from seatrial.flows.project import Project

    with progress_display() as progress:
        restored = Project.restore(source, into, force=force, progress=progress)
    if as_json:
        print_json(restored.to_json())
    else:
        print_findings(restored.findings)
        if restored.kept:
            say(f"What was there before is kept in {restored.kept}.")
        for model, version in restored.production.items():
            say(f"{model}@{version} is in production.")
        if not restored.production:
            say("Nothing is in production.")
    if worst(restored.findings) is not Verdict.PASS:
        raise typer.Exit(FINDING_SAYS_NO)
