"""The split of one data plane, set through its internal port."""

from __future__ import annotations

from seatrial.domain.assignment import Assignment
from seatrial.domain.errors import LeaseLostError, UnreachableError
from seatrial.domain.release import TrafficSplit, WatchedRelease
from seatrial.release.data_plane import DataPlaneClient, Refusal

__all__ = ["LocalRouter"]


class LocalRouter:
    """A `TrafficRouter` over one data plane, which keeps the split when nobody asks it anything any more."""

    def __init__(self, plane: DataPlaneClient) -> None:
        self._plane = plane

    def apply(
        self,
        split: TrafficSplit,
        *,
        fence: int,
        watched: WatchedRelease | None = None,
        experiment: Assignment | None = None,
    ) -> None:
        """Loads what is missing, then sets the split: no request is sent to a version that is not there yet."""
        loaded = self._loaded(split.model)
        for version, _ in split.percents:
            if version not in loaded:
                self._load(f"{split.model}@{version}")
        body = {
            "split": split.to_json(), "fence": fence, "release": None if watched is None else watched.to_json()
        }  # fmt: skip
        if experiment is not None:
            body["experiment"] = experiment.to_json()
        try:
            self._plane.ask("PUT", "/admin/split", body=body)
        except Refusal as refusal:
            if self._fence(split.model) > fence:
                raise LeaseLostError(
                    f"The data plane has heard from a newer controller than this one (fence {fence}): that one goes on."
                ) from refusal
            raise UnreachableError(f"The data plane refused the split, which is tried again: {refusal}") from refusal

    def current(self, model: str) -> TrafficSplit | None:
        """The split that is true now."""
        try:
            split = self._plane.ask("GET", "/admin/split", query={"model": model}).get("split")
        except Refusal:
            return None
        return TrafficSplit.from_json(split) if split else None

    def retire(self, model: str, version: int) -> None:
        """Unloads a version; one that still gets traffic stays."""
        if version in self._loaded(model):
            try:
                self._plane.ask("POST", "/admin/unload", body={"ref": f"{model}@{version}"})
            except Refusal as refusal:
                raise UnreachableError(f"The data plane keeps {model}@{version} for now: {refusal}") from refusal

    def _load(self, ref: str) -> None:
        try:
            self._plane.ask("POST", "/admin/load", body={"ref": ref})
        except Refusal as refusal:
            raise UnreachableError(f"The data plane cannot load {ref}, which is tried again: {refusal}") from refusal

    def _loaded(self, model: str) -> set[int]:
        models = self._plane.ask("GET", "/admin/models")["models"]
        versions = [one["versions"] for one in models if one["model"] == model]
        return {int(version["version"]) for listed in versions for version in listed}

    def _fence(self, model: str) -> int:
        try:
            return int(self._plane.ask("GET", "/admin/split", query={"model": model}).get("fence") or 0)
        except Refusal:
            return 0
