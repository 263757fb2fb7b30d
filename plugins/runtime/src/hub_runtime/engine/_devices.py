"""Which devices llama.cpp can compute on, and how many threads are sensible."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hub.errors import UsageError
from hub_runtime.engine._library import library

ALL_LAYERS = -1

# ggml_backend_dev_type (ggml-backend.h).
_KINDS: dict[int, Literal["cpu", "gpu", "accelerator"]] = {0: "cpu", 1: "gpu", 2: "gpu", 3: "accelerator"}


@dataclass(frozen=True, slots=True)
class Device:
    """One device: llama.cpp's name for it ("CUDA0"), what it is, its kind, and bytes of memory free and in all."""

    name: str
    description: str
    kind: Literal["cpu", "gpu", "accelerator"]
    free: int
    total: int


@cache
def _ggml() -> Any:
    """The library that lists devices; it lies beside libllama and is loaded already."""
    folder = Path(library().__file__).parent / "lib"
    names = ("libggml.so", "libggml.dylib", "ggml.dll", "libggml.dll")
    found = ctypes.CDLL(str(next(folder / n for n in names if (folder / n).exists())))
    found.ggml_backend_dev_count.restype = ctypes.c_size_t
    found.ggml_backend_dev_get.argtypes, found.ggml_backend_dev_get.restype = [ctypes.c_size_t], ctypes.c_void_p
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        getattr(found, name).argtypes, getattr(found, name).restype = [ctypes.c_void_p], ctypes.c_char_p
    found.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    sizes = ctypes.POINTER(ctypes.c_size_t)
    found.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, sizes, sizes]
    return found


def devices() -> list[Device]:
    """All devices that this build of llama.cpp sees here."""
    ggml = _ggml()
    return [_device(ggml, ggml.ggml_backend_dev_get(i)) for i in range(ggml.ggml_backend_dev_count())]


def _device(ggml: Any, handle: int) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    ggml.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    return Device(
        ggml.ggml_backend_dev_name(handle).decode("utf-8", "replace"),
        ggml.ggml_backend_dev_description(handle).decode("utf-8", "replace"),
        _KINDS.get(ggml.ggml_backend_dev_type(handle), "accelerator"),
        free.value,
        total.value,
    )


def gpu_layers(wanted: int | None) -> int:
    """Layers to put on the GPU: `wanted`, or all of them (-1) where there is a GPU and none where there is not.

    `UsageError` when layers are wanted and there is no GPU: a run never falls back to the CPU in silence.
    """
    has_gpu = any(d.kind == "gpu" for d in devices())
    if wanted is None:
        return ALL_LAYERS if has_gpu else 0
    if wanted and not has_gpu:
        built = "it sees none here" if library().llama_supports_gpu_offload() else "it was built for the CPU alone"
        hint = "hub runtime install --backend cuda|metal|vulkan builds one that can"
        raise UsageError(f"llama.cpp has no GPU to run on: {built}", hint=hint)
    return wanted


def default_threads() -> int:
    """One thread fewer than the cores this process may use, at least one.

    With as many spinning threads as cores anything else that runs makes generation collapse.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
