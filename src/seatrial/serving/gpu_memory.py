"""Memory in use on each GPU, where there is one."""

from __future__ import annotations

import contextlib
import importlib
from types import ModuleType
from typing import Any

__all__ = ["GpuMemory"]


class GpuMemory:
    """Asks NVIDIA's driver, if it and its Python package (nvidia-ml-py) are there; never makes up a 0.

    Args:
        nvml: the module to ask; `pynvml` by default.
    """

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml or _find_nvml()
        if self._nvml is not None:
            try:
                self._nvml.nvmlInit()
            except self._nvml.NVMLError:  # the package is installed, the driver is not
                self._nvml = None

    def used_bytes(self) -> dict[str, int]:
        """Used bytes by GPU number; empty where nothing can be measured, and without a GPU that does not answer."""
        nvml, used = self._nvml, {}
        if nvml is None:
            return {}
        with contextlib.suppress(nvml.NVMLError):
            for index in range(nvml.nvmlDeviceGetCount()):
                with contextlib.suppress(nvml.NVMLError):  # one GPU that fell off the bus hides no other
                    used[str(index)] = int(nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index)).used)
        return used


def _find_nvml() -> ModuleType | None:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None
