"""The demonstration's second act: a better version replaces the first one under real texts, a damaged one does not."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from seatrial.bundle import MANIFEST_FILE, TOKENIZER_FILE, Bundle
from seatrial.domain.dataset import Dataset
from seatrial.domain.errors import UsageError
from seatrial.domain.model import VersionRef
from seatrial.domain.progress import Progress
from seatrial.domain.release import Phase
from seatrial.domain.release_plan import FULL_PERCENT
from seatrial.flows.project import Project
from seatrial.flows.release_start import ReleaseRequest, start
from seatrial.flows.releases import foretell
from seatrial.loadgen.apart import run_apart
from seatrial.loadgen.plan import Bounds, Closed, Load, Mix, Target
from seatrial.store.releases import ReleaseRecord
from seatrial.text.tokenizer import Tokenizer
from seatrial.wiring.steering import plan_of, steering
from seatrial.wiring.workshop import Workshop

__all__ = ["Played", "damaged_copy", "play", "releases_of"]

_FIRST_REQUESTS = 500
"""Asked before a release: production's own latencies are what the new version's are judged by."""
_BETWEEN_LOOKS = 250
_MOST_REQUESTS = 20_000
_CLIENTS = 2
"""So few that each text is computed alone: of a batch all texts are late together, which is one event and not many."""


@dataclass(frozen=True, slots=True)
class Played:
    """How a release of the demonstration ended.

    Attributes:
        step_percent: the share of the last step it reached.
        requests: of both versions while it ran.
        met: of them, those that the new version answered or failed.
        failed: of those, the failed ones.
    """

    release: str
    champion: int
    challenger: int
    phase: Phase
    step_percent: float
    requests: int
    met: int
    failed: int

    @property
    def sentence(self) -> str:
        """For people."""
        over = f"version {self.challenger} over version {self.champion}"
        seen = f"{self.requests:,} requests, {self.met:,} of them to the new version, {self.failed:,} failed"
        ended = {Phase.DONE: "in production", Phase.ROLLED_BACK: f"rolled back by itself at {self.step_percent:g} %"}
        return f"{over}: {ended.get(self.phase, f'not over yet ({self.phase.value})')} after {seen}"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "release": self.release,
            "champion": self.champion,
            "challenger": self.challenger,
            "phase": self.phase.value,
            "step_percent": self.step_percent,
            "requests": self.requests,
            "challenger_requests": self.met,
            "challenger_failed": self.failed,
        }


def releases_of(workshop: Workshop, model: str) -> list[Played]:
    """The releases on record, in order."""
    return [_played(found) for found in workshop.store.releases.of_model(model)]


def _played(found: ReleaseRecord) -> Played:
    """A release as the demonstration tells of it."""
    state, steps = found.state, found.counters.steps
    return Played(
        state.release,
        state.champion,
        state.challenger,
        state.phase,
        _percent(found),
        sum(step.requests for step in steps),
        sum(step.challenger.requests for step in steps),
        sum(step.challenger.failed_requests for step in steps),
    )


def play(project: Project, challenger: VersionRef, texts: Sequence[str], address: str, progress: Progress) -> Played:
    """Releases a version over production and sends real texts until that is decided; goes on with one under way.

    The control plane that watches the data plane decides; this side only asks for the release, and asks questions.

    Args:
        texts: what customers send.
        address: URL of the data plane's public port.

    Raises:
        UsageError: the release cannot begin, with the reason.
    """
    workshop = project.workshop
    url = urlsplit(address)
    target = Target(str(url.hostname), int(url.port or 80))
    rounds = (Mix(tuple(texts), seed=number) for number in itertools.count())
    found = _latest(workshop, challenger)
    with progress.step(f"release {challenger}: {_power(project)}", total=_budget(project)) as shown:
        if found is None or found.state.phase.over:
            _ask(target, next(rounds), _FIRST_REQUESTS)
            found = _begin(workshop, challenger)
        sent = 0
        while not found.state.phase.over and sent < _MOST_REQUESTS:
            _ask(target, next(rounds), _BETWEEN_LOOKS)
            sent += _BETWEEN_LOOKS
            found = workshop.store.releases.get(found.state.release)
            shown.advance(_BETWEEN_LOOKS, note=f"{found.state.phase.value}, {_percent(found):g} %")
    return _played(found)


def damaged_copy(source: Bundle, dataset: Dataset, directory: Path) -> None:
    """A copy of a Hugging Face model, damaged as a broken transfer would: rare words have no vectors any more.

    Every word of the validation and test rows is left whole, so that nothing that looks at those rows can notice.

    Args:
        source: of the model, a transformer with a table of word embeddings.
        directory: gets the copy; made anew.
    """
    from safetensors.numpy import load_file, save_file

    most_tokens = source.manifest.signature.max_tokens
    tokenizer = Tokenizer.from_file(source.directory / TOKENIZER_FILE, most_tokens)
    bad = np.zeros(tokenizer.token_ids, np.bool_)
    bad[tokenizer.encode(dataset.train.texts, most_tokens).ids] = True
    for rows in (dataset.validation, dataset.test):
        bad[tokenizer.encode(rows.texts, most_tokens).ids] = False
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source.directory, directory, ignore=shutil.ignore_patterns(MANIFEST_FILE))
    weights_file = directory / "model.safetensors"
    weights = load_file(weights_file)
    (table,) = [name for name in weights if name.endswith("word_embeddings.weight")]
    weights[table][bad[: len(weights[table])]] = np.nan
    save_file(weights, weights_file, {"format": "pt"})


def _percent(found: ReleaseRecord) -> float:
    """The share of the step it is at, or that it ended in."""
    whole = found.state.phase in (Phase.BAKING, Phase.DONE)
    return FULL_PERCENT if whole else found.plan.steps[found.state.step].percent


def _latest(workshop: Workshop, ref: VersionRef) -> ReleaseRecord | None:
    found = [one for one in workshop.store.releases.of_model(ref.name) if one.state.challenger == ref.selector]
    return found[-1] if found else None


def _begin(workshop: Workshop, challenger: VersionRef) -> ReleaseRecord:
    with contextlib.closing(steering(workshop.settings)) as steered:
        started = start(workshop, steered, ReleaseRequest(str(challenger), workshop.actor, time.time()))
    if started.record is None:
        raise UsageError(started.decision.reason)
    return started.record


def _ask(target: Target, mix: Mix, requests: int) -> None:
    """Sends so many requests; how they end is the data plane's to count."""
    bounds = Bounds(warm_up_s=0.0, window_s=600.0, max_requests=requests)
    run_apart(Load(target, mix, closed=Closed(_CLIENTS), bounds=bounds))


def _power(project: Project) -> str:
    return foretell(project.settings, ()).finding.reason


def _budget(project: Project) -> int:
    return sum(step.budget_requests for step in plan_of(project.settings).steps)
