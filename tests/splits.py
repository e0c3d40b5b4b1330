"""Orders about traffic, as a control plane sends them."""

from __future__ import annotations

from typing import Any

from seatrial.domain.release_counters import FrozenBaseline
from seatrial.domain.traffic import TrafficSplit

BASELINE = FrozenBaseline((0.5,), (0.55,), ("negative", "positive"))


def order(
    percent: float,
    *,
    step: int | None = 0,
    fence: int = 1,
    bake: bool = False,
    release: str = "r-1",
    mirror_percent: float = 0.0,
    versions: tuple[int, int] = (1, 2),
    model: str = "tiny",
) -> dict[str, Any]:
    """Version 2 takes so much from version 1; `step` None: without a release."""
    champion, challenger = versions
    split = TrafficSplit(model, ((challenger, percent), (champion, round(100 - percent, 2))), "salt")
    context = {
        "id": release, "champion": champion, "challenger": challenger, "step": step, "bake": bake,
        "baseline": BASELINE.to_json(), "mirror_percent": mirror_percent,
    }  # fmt: skip
    return {"split": split.to_json(), "fence": fence, "release": None if step is None else context}
