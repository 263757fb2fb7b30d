"""Where a measurement was made: machine, versions, memory."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from hub_runtime.engine import LoadedModel, devices, library


@dataclass(frozen=True, slots=True)
class Host:
    """The machine and the programs: `cores` are those this process may use, `memory` bytes in all, `started` UTC."""

    started: str
    system: str
    machine: str
    processor: str
    cores: int
    memory: int | None
    devices: list[str]
    python: str
    hub: str
    hub_runtime: str
    llama_cpp_python: str
    llama_features: str

    @classmethod
    def here(cls, model: LoadedModel) -> Host:
        """The machine we are on; `devices` are those that `model` runs on."""
        return cls(
            datetime.now(UTC).isoformat(timespec="seconds"),
            platform.platform(),
            platform.machine(),
            _processor(),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            _memory(),
            used_devices(model),
            platform.python_version(),
            version("hub-core"),
            version("hub-runtime"),
            version("llama-cpp-python"),
            library().llama_print_system_info().decode("utf-8", "replace").strip(" |"),
        )


def used_devices(model: LoadedModel) -> list[str]:
    """Names of the devices that `model` computes on: "CPU", "CUDA0"."""
    wanted = {"cpu"} if model.gpu_layers == 0 else {"cpu", "gpu"}
    return [d.name for d in devices() if d.kind in wanted]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Resident memory in bytes. `scope`: whether the peak counts from `PeakMemory`'s start or the process's.

    Pages of a memory-mapped model count as they are touched. None where the system does not tell.
    """

    before: int | None
    peak: int | None
    now: int | None
    scope: Literal["measurement", "process"]


class PeakMemory:
    """The most resident memory from now on, where the system forgets an earlier peak (Linux: clear_refs in proc(5))."""

    def __init__(self) -> None:
        self._scope: Literal["measurement", "process"] = "measurement"
        self._before = _status("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            self._scope = "process"

    def use(self) -> MemoryUse:
        """What was used until now."""
        now = _status("VmRSS")  # first: the peak that is read behind it counts this too
        return MemoryUse(self._before, _status("VmHWM") or _peak_of_process(), now, self._scope)


def _status(key: str) -> int | None:
    """A size of /proc/self/status, in bytes."""
    found = [line.split() for line in _lines("/proc/self/status") if line.startswith(f"{key}:")]
    return int(found[0][1]) * 1024 if found else None


def _peak_of_process() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
