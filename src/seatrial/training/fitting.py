"""The training loop: one optimiser step at a time, with a state that can be written down and taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.config import TrainingSettings
from seatrial.domain.errors import TrainingError
from seatrial.domain.inference import IntArray, TokenBatch
from seatrial.domain.model import Layout
from seatrial.domain.progress import Progress
from seatrial.text.layout import lay_out
from seatrial.training.batches import epoch_batches
from seatrial.training.checkpoint import Checkpoint, Checkpoints
from seatrial.training.pace import Pace, duration
from seatrial.training.schedule import count_steps, rate_ratio

__all__ = ["Fitting", "TrainingRows", "fit"]

_LOSS_MEMORY = 0.95
"""Share of the shown loss that is kept at each step; the rest is the step's own."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Rows as the model reads them.

    Attributes:
        tokens: a text each.
        labels: (texts,) int64.
        pad_id: fills padded cells.
    """

    tokens: TokenBatch
    labels: IntArray
    pad_id: int


class Fitting:
    """A training that stands at a step. The same settings, rows and state always take the same next step.

    Args:
        model: a Hugging Face classifier; parameters that ask for no gradient stay as they are.
    """

    def __init__(self, model: Any, rows: TrainingRows, settings: TrainingSettings) -> None:
        import torch

        self.model = model.train()
        self.rows = rows
        self.settings = settings
        self.steps_per_epoch, self.steps = count_steps(len(rows.tokens), settings.batch_size, settings.epochs)
        self.last_step = max(1, round(self.steps * settings.stop_at_ratio))
        self.done = 0
        self.loss = math.nan
        self._trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(self._groups(), lr=settings.learning_rate, fused=True)
        self._epoch = -1
        self._batches: list[IntArray] = []

    def step(self) -> None:
        """Takes one optimiser step; `loss` then is the running mean of the training loss.

        Raises:
            TrainingError: the loss or the gradient is not finite.
        """
        import torch

        indices = self._rows_of_step()
        inputs = lay_out(self.rows.tokens.take(indices), Layout.PADDED, self.rows.pad_id)
        logits = self.model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(self.rows.labels[indices]))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._trained.values(), self.settings.clip_norm)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise TrainingError(
                f"The loss or its gradient is not finite at step {self.done + 1} of {self.steps}: lower "
                f"training.learning_rate (now {self.settings.learning_rate:g}), then training.clip_norm "
                f"(now {self.settings.clip_norm:g})."
            )
        rate = self.settings.learning_rate * rate_ratio(self.done, self.steps, self.settings.warmup_ratio)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.loss = _LOSS_MEMORY * self.loss + (1 - _LOSS_MEMORY) * loss.item() if self.done else loss.item()
        self.done += 1

    def state(self) -> Checkpoint:
        """Everything later steps depend on; frozen weights are not in it, they come with the base model."""
        import torch

        tensors = {"rng": torch.get_rng_state(), "loss": torch.tensor(self.loss, dtype=torch.float64)}
        for name, weight in self._trained.items():
            tensors[f"weight.{name}"] = weight.detach()
            # A weight that no step has reached yet has no optimiser state.
            tensors.update({f"{key}.{name}": value for key, value in self._optimizer.state.get(weight, {}).items()})
        return Checkpoint(self.done, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a state of the same training."""
        import torch

        tensors = checkpoint.tensors
        self.done = checkpoint.step
        self.loss = tensors["loss"].item()
        with torch.no_grad():
            for name, weight in self._trained.items():
                weight.copy_(tensors[f"weight.{name}"])
                kept = {key: tensors.get(f"{key}.{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
                self._optimizer.state[weight] = {key: value.clone() for key, value in kept.items() if value is not None}
        torch.set_rng_state(tensors["rng"].clone())

    def _groups(self) -> list[Mapping[str, Any]]:
        """Weight decay for matrices only: biases and normalisation are vectors."""
        weights = self._trained.values()
        return [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": self.settings.weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]

    def _rows_of_step(self) -> IntArray:
        epoch, index = divmod(self.done, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._batches = epoch_batches(self.rows.tokens.lengths, self.settings.batch_size, self.settings.seed, epoch)
        return self._batches[index]


def fit(fitting: Fitting, checkpoints: Checkpoints, progress: Progress) -> None:
    """Takes the steps up to `Fitting.last_step`, from the latest checkpoint on where there is one.

    Where that is before the end of the schedule, the state is kept: a run that stops later goes on from it.

    Raises:
        TrainingError: the loss is not finite.
        StorageFullError: no room for a checkpoint; the one before stays, and the next run goes on from it.
    """
    checkpoint = checkpoints.latest()
    if checkpoint is not None and checkpoint.step <= fitting.last_step:
        fitting.restore(checkpoint)
    pace = Pace(fitting.last_step, fitting.done, time.monotonic())
    with progress.step("train", total=fitting.last_step) as shown:
        if fitting.done:
            shown.advance(fitting.done, note=f"goes on from step {fitting.done}")
        while fitting.done < fitting.last_step:
            fitting.step()
            due = fitting.done % fitting.settings.checkpoint_every_steps == 0 or fitting.done == fitting.last_step
            if due and fitting.done < fitting.steps:
                checkpoints.save(fitting.state())
            left = duration(pace.left_s(fitting.done, time.monotonic()))
            shown.advance(1, note=f"loss {fitting.loss:.3f}, {left} left")
