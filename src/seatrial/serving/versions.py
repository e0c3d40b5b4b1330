"""The versions of one process: loaded, warmed up, switched and unloaded while requests go on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seatrial.bundle import Bundle
from seatrial.domain.errors import ModelNotServedError, UsageError, VersionInUseError
from seatrial.serving.handlers import OwnCode
from seatrial.serving.low_priority import give_memory_back, run_at_low_priority
from seatrial.serving.splitting import RunningSplit, Served
from seatrial.serving.variants import Variant

__all__ = ["Versions"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Use:
    """How many requests a variant is answering."""

    requests: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Versions:
    """Which variants are loaded, who gets the traffic, and which of them are in use. Belongs to the event loop.

    Args:
        make: makes the variant of a bundle or of a handler, warmed up; slow, called in a thread.
        find_bundle: the bundle of ``MODEL@V``; may read files, called in a thread.
        on_loaded: told about each variant before it takes requests.
    """

    def __init__(
        self,
        make: Callable[[Bundle | OwnCode], Variant],
        find_bundle: Callable[[str], Bundle],
        on_loaded: Callable[[Variant], None],
    ) -> None:
        self.served: Served[Variant] = Served()
        self._make = make
        self._find_bundle = find_bundle
        self._on_loaded = on_loaded
        self._uses: dict[Variant, _Use] = {}
        self._one_at_a_time = asyncio.Lock()  # two that load at once would take both cores
        self.ordering = asyncio.Lock()
        """Held by whoever decides where traffic goes: what it saw loaded stays loaded until it is done."""

    def load_all(self, bundles: Sequence[Bundle | OwnCode]) -> None:
        """Loads what a process starts with; blocks, and may run in any thread.

        Raises:
            RefusedArtifactError: a bundle's findings forbid serving it.
            BundleError, UnsupportedModelError: a bundle cannot be served.
            UsageError: there are no bundles, or two of one version.
        """
        if not bundles:
            raise UsageError("There is nothing to serve: name a version or a bundle.")
        for bundle in bundles:
            variant = self._load(bundle)
            if variant.ref in {other.ref for other in self.served.variants}:
                raise UsageError(f"{variant.ref} was named twice: serve one artifact of a version.")
            self._add(variant)

    async def load(self, ref: str) -> Variant:
        """Loads one more version, at low priority; one that is loaded already is returned as it is.

        It takes no traffic of its model yet, unless it is the first; a request that names it is answered.

        Raises:
            UnknownModelError, UnknownVersionError, UnknownArtifactError: there is no bundle of it.
            RefusedArtifactError, BundleError, UnsupportedModelError: the bundle may not or cannot be served.
            UsageError: `ref` names no version.
        """
        async with self._one_at_a_time:
            for variant in self.served.variants:
                if variant.ref == ref:
                    return variant
            variant = await run_at_low_priority(lambda: self._load(self._find_bundle(ref)), "load")
            for other in self.served.variants:  # `ref` was an alias
                if other.ref == variant.ref:
                    variant.close()
                    return other
            self._add(variant)
            return variant

    def load_found(self, ref: str) -> None:
        """Loads ``MODEL@V`` before requests are answered; blocks, and may run in any thread. Raises as `load` does."""
        self._add(self._load(self._find_bundle(ref)))

    def split(self, running: RunningSplit) -> None:
        """From now on requests that name no version go where the split sends them; its versions must be loaded."""
        self.served = self.served.split(running)
        logger.info("traffic split", extra={"model": running.split.model, "percents": running.split.percents})

    def switch(self, model: str, version: str) -> None:
        """From now on requests that name no version go to that one; requests that run are not touched.

        Raises:
            ModelNotServedError: it is not loaded.
        """
        variant = self.served.find(model, version)
        self.served = self.served.switched(variant)
        logger.info("traffic switched", extra={"variant": variant.ref})

    async def unload(self, ref: str) -> None:
        """Takes no more requests for a version, lets those that run end, and gives its memory back.

        Raises:
            ModelNotServedError: it is not loaded.
            VersionInUseError: the traffic of its model goes to it.
        """
        async with self.ordering:
            variant = self.served.find(*ref.partition("@")[::2])
            if self.served.has_traffic(variant):
                raise VersionInUseError(
                    f"Traffic of {variant.model} goes to {ref}, or a release needs it: switch it to another one first."
                )
            self.served = self.served.without(variant)
        use = self._uses.pop(variant)
        while use.requests:
            use.ended.clear()
            await use.ended.wait()
        await run_at_low_priority(lambda: _close(variant), "unload")
        logger.info("variant unloaded", extra={"variant": ref})

    def begin(self, variant: Variant) -> Callable[[], None]:
        """Counts a request that the variant is about to answer; it is not unloaded until the result is called.

        Raises:
            ModelNotServedError: it was unloaded since it was picked.
        """
        use = self._uses.get(variant)
        if use is None:
            raise ModelNotServedError(f"{variant.ref} was unloaded while the request came in: send it again.")
        use.requests += 1

        def end() -> None:
            use.requests -= 1
            use.ended.set()

        return end

    def _load(self, bundle: Bundle | OwnCode) -> Variant:
        started_s = time.monotonic()
        variant = self._make(bundle)
        give_memory_back()  # the file's bytes, and what optimising the graph took
        logger.info("variant loaded", extra={"variant": variant.ref, "seconds": time.monotonic() - started_s})
        return variant

    def _add(self, variant: Variant) -> None:
        self._on_loaded(variant)
        self._uses[variant] = _Use()
        self.served = self.served.adding(variant)


def _close(variant: Variant) -> None:
    variant.close()
    give_memory_back()
