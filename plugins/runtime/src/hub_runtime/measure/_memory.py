"""Where a loaded model's memory goes, by llama.cpp's own account."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub_runtime.engine import LOG, LoadedModel
from hub_runtime.measure._host import MemoryUse

# llama.cpp's log, of each buffer that a context allocates: "llama_kv_cache:   CPU KV buffer size =    11.25 MiB".
_BUFFER = re.compile(r":\s+(\S+)\s+(KV|RS|output|compute) buffer size =\s+([\d.]+) MiB")
_PARTS = {"KV": "kv_cache", "RS": "state", "output": "output", "compute": "compute"}


@dataclass(frozen=True, slots=True)
class Buffer:
    """One allocation on a device; `nbytes` to 0.01 MiB, as the log has it."""

    part: str
    device: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """Bytes by part: all tensors are `weights`, recurrent layers have `state`; `resident` is the process's memory."""

    weights: int
    kv_cache: int
    state: int
    compute: int
    output: int
    buffers: list[Buffer]
    resident: MemoryUse


def context_buffers() -> list[Buffer]:
    """What the context that was made last allocated."""
    found = [m for _, line in LOG.lines if (m := _BUFFER.search(line))]
    return [Buffer(_PARTS[m[2]], m[1], round(float(m[3]) * 2**20)) for m in found]


def memory_parts(model: LoadedModel, buffers: list[Buffer], resident: MemoryUse) -> MemoryParts:
    """The parts that `model` and the `buffers` of its context make."""
    sums = {part: sum(b.nbytes for b in buffers if b.part == part) for part in _PARTS.values()}
    return MemoryParts(model.nbytes, **sums, buffers=buffers, resident=resident)
