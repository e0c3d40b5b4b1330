"""How soon `seatrial release rollback` has traffic back at the old version, while that is still loaded."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.hardships import Check
from benchmarks.machine import run
from benchmarks.material import MODEL
from benchmarks.plane import Plane

_ROUNDS = 3
_WITHIN_S = 1.0
_ASK_EVERY_S = 0.002
_PATIENCE_S = 30.0


def rolled_back(project: Path, rounds: int = _ROUNDS) -> list[Check]:
    """Runs the command on a copy of the demonstration's project: its version 2 in production, its version 1 loaded."""
    whole, command, start_up = [], [], []
    with tempfile.TemporaryDirectory(prefix="seatrial-rollback-") as directory:
        copy = Path(directory) / "project"
        shutil.copytree(project, copy)
        for _ in range(rounds):
            with Plane(copy, f"{MODEL}@1") as plane:
                _promoted(copy, plane)
                took_s, said = _timed(copy, plane)
                whole.append(took_s)
                command.append(float(said["took_s"]))
            start_up.append(_started())
    shown, inside, python = (statistics.median(times) for times in (whole, command, start_up))
    return [
        Check("release rollback: record, traffic and registry, without the start of Python", f"{inside:.2f} s",
              f"under {_WITHIN_S:g} s", inside < _WITHIN_S, needs_idle=True),
        Check("release rollback: from the start of the command to the first answer of the old version",
              f"{shown:.2f} s, of which `seatrial --version` alone takes {python:.2f} s", f"under {_WITHIN_S:g} s",
              shown < _WITHIN_S, needs_idle=True),
    ]  # fmt: skip


def _timed(project: Path, plane: Plane) -> tuple[float, dict[str, Any]]:
    """Seconds until the first answer of version 1, and what the command printed."""
    line = [sys.executable, "-P", "-m", "seatrial.cli", "release", "rollback", "-C", str(project), "--json"]
    environment = {**os.environ, "SEATRIAL_CONTROL__DATA_PLANE_URL": f"http://127.0.0.1:{plane.internal_port}"}
    started_s = time.monotonic()
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True)
    while plane.predict("a good film")[1].get("version") != "1":
        if process.poll() is not None and time.monotonic() - started_s > _PATIENCE_S:
            raise SystemExit(f"{line} ended with {process.returncode}.")
        time.sleep(_ASK_EVERY_S)
    took_s = time.monotonic() - started_s
    return took_s, json.loads(process.communicate(timeout=60)[0])


def _started() -> float:
    started_s = time.monotonic()
    run([sys.executable, "-P", "-m", "seatrial.cli", "--version"])
    return time.monotonic() - started_s


def _promoted(project: Path, plane: Plane) -> None:
    """A release of version 2 that has just got all the traffic: it bakes, and version 1 is still loaded."""
    from seatrial.control.controller import Controller
    from seatrial.domain.model import Alias
    from seatrial.domain.release import Action, Decision, FrozenBaseline, Phase, ReleaseState
    from seatrial.flows.project import Project
    from seatrial.store.releases import ReleaseRecord
    from seatrial.wiring.steering import plan_of, steering

    overrides = {"control.data_plane_url": f"http://127.0.0.1:{plane.internal_port}"}
    with Project(project, overrides=overrides) as opened:
        plan = plan_of(opened.settings)
        started = ReleaseState(f"bench-{time.time_ns()}", MODEL, 1, 2, "bench", plan.sha256)
        state = replace(started, phase=Phase.BAKING, step=len(plan.steps) - 1, since_s=time.time())
        begun = Decision(Action.ADVANCE, state.subject, "The measurement begins it.", ())
        store = opened.workshop.store
        back = {Alias.PRODUCTION: 1, Alias.PREVIOUS: None}
        store.move_aliases(MODEL, back, actor="bench", reason="The measurement begins before it.", findings=[])
        store.releases.begin(ReleaseRecord(state, plan, FrozenBaseline((), (), ())), begun, (), "bench")
        moves = {Alias.PRODUCTION: 2, Alias.PREVIOUS: 1}
        store.move_aliases(MODEL, moves, actor="bench", reason="The measurement promotes it.", findings=[])
        steered = steering(opened.settings)
        controller = Controller(opened.workshop, steered)
        controller.look()
        controller.close()
        steered.close()
