"""`seatrial models`: the registry and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Json, ModelRef, ProjectDir, open_project
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.domain.errors import UsageError
from seatrial.domain.evidence import Finding, Verdict, worst

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_versions(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """List every version with its aliases, artifacts and the worst of its findings."""
    with open_project(project) as opened:
        rows = opened.versions()
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            ("version", "aliases", "findings", "artifacts", "registered"),
            [
                (
                    f"{r['model']}@{r['version']}",
                    ", ".join(r["aliases"]),
                    r["verdict"],
                    ", ".join(r["artifacts"]),
                    r["at"],
                )
                for r in rows
            ],
        )
    else:
        say("No versions yet: make one with seatrial train.")


@app.command()
def show(ref: ModelRef, project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Show one version: lineage, findings, artifacts, and where its files are."""
    with open_project(project) as opened:
        version = opened.show(ref)
    if as_json:
        print_json(version)
        return
    plain = {key: value for key, value in version.items() if key not in ("findings", "artifacts")}
    print_table(("", ""), list(_flat(plain)))
    print_table(
        ("artifact", "directory", "servable"),
        [(a["artifact"], a["directory"], a["servable"]) for a in version["artifacts"]],
    )
    print_findings([Finding.from_json(finding) for finding in version["findings"]])


@app.command()
def history(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    at: Annotated[str, typer.Option(help="A date or time (ISO 8601, UTC): what was in production then, and why?")] = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Everything on record about a model; with --at, what was in production at a moment and by which findings."""
    with open_project(project) as opened:
        if at:
            _print_moment(opened.production_at(model, _moment(at)), model, at, as_json)
            return
        entries = [entry.to_json() for entry in opened.history(model)]
    if as_json:
        print_json(entries)
    else:
        print_table(
            ("seq", "at", "by", "kind", "version", "what"),
            [(e["seq"], e["at"], e["actor"], e["kind"], e["version"], _summary(e)) for e in entries],
        )


@app.command()
def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL ...]", help="Models to check; default: all.")
    ] = None,
    head: Annotated[list[str] | None, typer.Option(help="A ledger head from the log, SEQ:SHA256; repeat.")] = None,
    repair: Annotated[bool, typer.Option(help="Make registry and index follow the record again.")] = False,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Check the ledger's chain, every artifact's digest, and registry and index against the record."""
    with open_project(project) as opened:
        findings = opened.verify(models or (), heads=head or (), repair=repair)
    if as_json:
        print_json([finding.to_json() for finding in findings])
    else:
        print_findings(findings)
    if worst(findings) is not Verdict.PASS:
        raise typer.Exit(FINDING_SAYS_NO)


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as rows: the path of each, and its value as a person would write it."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            yield f"{prefix}{key}", f"{value:.6g}"
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _moment(text: str) -> datetime:
    """The end of a day where only a date is given, so that `--at` of a day includes what was decided on it."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) <= len("2026-03-03"):
            moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no date: write it like 2026-03-03 or 2026-03-03T14:30.") from None


def _print_moment(found: tuple[int | None, Any], model: str, at: str, as_json: bool) -> None:
    version, entry = found
    document = {"model": model, "at": at, "version": version, "entry": entry.to_json() if entry else None}
    if as_json:
        print_json(document)
    elif version is None or entry is None:
        say(f"Nothing was in production of {model} at {at}.")
    else:
        say(f"{model}@{version} was in production at {at}.")
        say(f"Decided {entry.at.isoformat()} by {entry.actor} (ledger entry {entry.seq}): {entry.payload['reason']}")
        print_findings([Finding.from_json(finding) for finding in entry.payload["findings"]])


def _summary(entry: dict[str, Any]) -> str:
    payload = entry["payload"]
    if entry["kind"] == "finding":
        return f"{payload['verdict']} {payload['check']}: {payload['reason']}"
    if entry["kind"] == "artifact":
        state = "retired" if "retired" in payload else "servable" if payload["servable"] else "refused"
        return f"{payload['artifact']} {payload['sha256'][:12]} {state}"
    if entry["kind"] == "foreign":
        settled = payload.get("settled", "seen")
        return f"{payload['what']} {payload['role']} at {payload['theirs']}, on record {payload['ours']}: {settled}"
    return str(payload.get("reason") or payload.get("source_uri") or payload)
