"""Commands that move a model through its life: init, demo, train, register, convert, serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.exit_codes import FINDING_SAYS_NO
from seatrial.cli.options import HERE, Beside, EndWithStdin, Json, ModelRef, ProjectDir, open_project
from seatrial.cli.output import print_findings, print_json, print_table, say
from seatrial.cli.progress import progress_display

if TYPE_CHECKING:
    from seatrial.flows.demo import Summary
    from seatrial.flows.deploy import Converted
    from seatrial.flows.develop import Developed

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (init, demo, train, register, convert, serve):
        app.command()(command)


def init(
    directory: Annotated[Path, typer.Argument(help="Where the project shall lie; made if need be.")] = HERE,
    as_json: Json = False,
) -> None:
    """Write a commented seatrial.toml and a runnable example."""
    from seatrial.flows.template import write_project

    written = write_project(directory)
    if as_json:
        print_json({"directory": str(directory.resolve()), "written": [str(path) for path in written]})
        return
    for path in written:
        say(f"wrote {path}")
    say(f"Next: cd {directory} && seatrial train" if written else f"{directory} is a project already: nothing written.")


def demo(
    directory: Annotated[Path, typer.Argument(help="Where the demo's project shall lie.")] = Path("seatrial-demo"),
    leave: Annotated[bool, typer.Option("--exit", help="End after the summary instead of serving.")] = False,
    quick: Annotated[
        bool, typer.Option(help="Train on a small fraction: a taste in a minute, not a good model.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a BERT from real reviews to a served, proven model: the whole of it in one command."""
    from seatrial.flows import demo as flow

    with progress_display() as progress:
        summary = flow.build(directory, quick=quick, progress=progress)
    if summary.production is None:
        _print_summary(summary, as_json)
    else:
        with flow.server_of(summary) as server:
            with progress_display() as progress:
                flow.release_all(summary, server, progress)
            flow.measure(summary, server)
            _print_summary(summary, as_json)
            if not leave:
                invitation = "" if as_json else f"\nServing until Ctrl-C. Try it:\n  {summary.curl}\n"
                server.wait(lambda: say(invitation) if invitation else None)
    if not summary.passed:
        raise typer.Exit(FINDING_SAYS_NO)


def train(project: ProjectDir = HERE, as_json: Json = False) -> None:
    """Prepare, train, evaluate and register a version; print it with its findings."""
    with progress_display() as progress, open_project(project) as opened:
        developed = opened.train(progress=progress)
    _print_developed(developed, as_json)


def register(
    origin: Annotated[
        str, typer.Option("--from", help="Hugging Face directory, ONNX file with its tokenizer, or MLflow model URI.")
    ],
    label: Annotated[
        list[str] | None, typer.Option(help="A label, in the order of the model's outputs; repeat.")
    ] = None,
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Take a model trained elsewhere into the same life: evaluated on the project's rows and registered."""
    with progress_display() as progress, open_project(project) as opened:
        developed = opened.register(origin, labels=label or (), progress=progress)
    _print_developed(developed, as_json)


def convert(
    ref: ModelRef,
    to: Annotated[str, typer.Option(help="Artifacts to make, comma-separated; default: conversion.targets.")] = "",
    project: ProjectDir = HERE,
    as_json: Json = False,
) -> None:
    """Make artifacts of a version, prove each equal to the original, and bundle them for serving."""
    overrides = {"conversion.targets": to} if to else {}
    with progress_display() as progress, open_project(project, overrides) as opened:
        converted = opened.convert(ref, progress=progress)
    _print_converted(converted, as_json)


def serve(
    refs: Annotated[list[str] | None, typer.Argument(metavar="MODEL@V ...", help="Versions to serve.")] = None,
    bundle: Annotated[list[Path] | None, typer.Option(help="A bundle directory to serve; repeat for more.")] = None,
    artifact: Annotated[str, typer.Option(help="Artifact to serve; default: serving.artifact.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on; default: serving.host.")] = "",
    port: Annotated[int | None, typer.Option(help="Public port; 0 takes a free one; default: serving.port.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port of gRPC; default: serving.grpc_port.")] = None,
    internal_port: Annotated[int | None, typer.Option(help="Port of /metrics; default: serving.internal_port.")] = None,
    uds: Annotated[
        Path | None, typer.Option(help="Unix domain socket in place of the public port; default: serving.uds.")
    ] = None,
    project: ProjectDir = HERE,
    beside: Beside = None,
    end_with_stdin: EndWithStdin = False,
    as_json: Json = False,
) -> None:
    """Serve versions over HTTP: the data plane alone, without registry or database."""
    from seatrial.flows import lifeline
    from seatrial.flows.serve import serve as run_data_plane

    if end_with_stdin:
        lifeline.end_with_stdin()
    chosen: dict[str, Any] = {
        "serving.artifact": artifact or None,
        "serving.host": host or None,
        "serving.port": port,
        "serving.grpc_port": grpc_port,
        "serving.internal_port": internal_port,
        "serving.uds": None if uds is None else str(uds.absolute()),
    }
    overrides = {name: value for name, value in chosen.items() if value is not None}

    def announce(addresses: dict[str, Any]) -> None:
        if as_json:
            print_json(addresses)
        else:
            models = ", ".join(addresses["models"])
            grpc = f", gRPC on {addresses['grpc']}" if addresses["grpc"] else ""
            say(f"Serving {models} on {addresses['public']}{grpc}, metrics on {addresses['internal']}.")

    run_data_plane([project, *(beside or [])], refs or [], bundle or [], overrides, announce)


def _print_summary(summary: Summary, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_json())
        return
    print_table(("", ""), summary.rows(), title="From real reviews to a served, proven model")
    if summary.against:
        print_findings(summary.against)


def _print_developed(developed: Developed, as_json: bool) -> None:
    version = developed.version
    if as_json:
        print_json(
            {
                "model": version.name,
                "version": version.version,
                "passed": developed.passed,
                "metrics": developed.metrics,
                "findings": [finding.to_json() for finding in developed.findings],
                "report": str(developed.report),
            }
        )
    else:
        print_findings(developed.findings)
        say(f"Registered {version.ref}. Report: {developed.report}")
        if developed.passed:
            say(f"Next: seatrial convert {version.ref}")
        else:
            say("Not every finding passes: the version stays on record and goes no further.")
    if not developed.passed:
        raise typer.Exit(FINDING_SAYS_NO)


def _print_converted(converted: Converted, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model": converted.version.name,
                "version": converted.version.version,
                "passed": converted.passed,
                "artifacts": [
                    {
                        "artifact": bundle.manifest.artifact.name,
                        "directory": str(bundle.directory),
                        "sha256": bundle.manifest.artifact.sha256,
                        "size_bytes": bundle.manifest.size_bytes,
                        "servable": bundle.manifest.servable,
                    }
                    for bundle in converted.bundles
                ],
                "findings": [finding.to_json() for finding in converted.findings],
                "decision": converted.decision and converted.decision.action.value,
            }
        )
    else:
        print_findings(converted.findings)
        for bundle in converted.bundles:
            state = "servable" if bundle.manifest.servable else "kept for inspection, never served"
            say(f"{bundle.manifest.ref}: {bundle.manifest.size_bytes / 1e6:.1f} MB in {bundle.directory} ({state})")
        if converted.decision is not None:
            say(f"{converted.decision.action.value}: {converted.decision.reason}")
        if converted.passed:
            say(f"Next: seatrial serve {converted.version.ref}")
    if not converted.passed:
        raise typer.Exit(FINDING_SAYS_NO)
