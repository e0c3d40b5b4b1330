"""How long the rest of the training will take, in words for the progress line."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace", "duration"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Where this run began; a run that resumed did not begin at step 0.

    Attributes:
        steps: of the whole training.
        first_step: steps that were done before this run.
        started_s: monotonic clock at its start.
    """

    steps: int
    first_step: int
    started_s: float

    def left_s(self, done: int, now_s: float) -> float:
        """Seconds the remaining steps will take, at the average speed of this run so far.

        Args:
            done: steps that are done, at least one more than `first_step`.

        Example:
            >>> Pace(steps=100, first_step=40, started_s=5.0).left_s(done=50, now_s=25.0)
            100.0
        """
        return (now_s - self.started_s) / (done - self.first_step) * (self.steps - done)


def duration(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> duration(0.4), duration(80), duration(7260)
        ('0s', '1m20s', '2h01m')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
