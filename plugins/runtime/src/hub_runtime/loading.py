"""From a path in any format to a model in memory: what every command and the server start with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DamagedFile, UsageError
from hub.opening import loading
from hub.pipeline import Progress
from hub.plugins import registry
from hub_runtime.bridge import Way, as_gguf
from hub_runtime.engine import Adapter, LoadedModel, available_memory, huge_pages, layers_on_gpu, load


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model to load and how; see `hub_runtime.bridge.as_gguf` and `hub_runtime.engine.load`.

    `mmap` None copies the weights into memory where that pays and there is room (`worth_copying`).
    """

    path: Path
    gpu_layers: int | None = None
    lora: Sequence[Adapter] = ()
    bridge: Way = "cache"
    assume: Sequence[str] = ()
    pre: str | None = None
    mmap: bool | None = True


def layers(gpu: bool | None, count: int | None) -> int | None:
    """Layers for the GPU, as `hub_runtime.engine.load` takes them, of whether one is wanted and of how many layers.

    `UsageError` when the two contradict each other.
    """
    if gpu is not None and count is not None and gpu != (count != 0):
        raise UsageError(f"--gpu-layers {count} contradicts --{'gpu' if gpu else 'no-gpu'}")
    return count if count is not None else {None: None, True: -1, False: 0}[gpu]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory: `model`, the `format` of its file, and whether the bridge `converted` it now, in how long."""

    model: LoadedModel
    format: str
    converted: bool
    bridge_seconds: float

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.model.close()


def load_any(wanted: Wanted, progress: Progress | None = None) -> Loaded:
    """Load the model at `wanted.path`, whatever its format; close it, or use it as a context manager.

    Verifiers are asked about it and about every adapter before a byte is read (`hub_before_load`, for "run").
    """
    with ExitStack() as failed:
        with ExitStack() as verified:
            for path in (wanted.path, *(adapter.path for adapter in wanted.lora)):
                verified.enter_context(loading(path, "run"))
            for adapter in wanted.lora:
                _refuse_damaged_adapter(adapter.path)
            with as_gguf(
                wanted.path, way=wanted.bridge, assume=wanted.assume, pre=wanted.pre, progress=progress
            ) as gguf:  # the mapping outlives the file's name
                mmap = not worth_copying(gguf.path, wanted.gpu_layers) if wanted.mmap is None else wanted.mmap
                model = load(gguf.path, gpu_layers=wanted.gpu_layers, mmap=mmap, lora=wanted.lora, source=wanted.path)
                failed.callback(model.close)
        failed.pop_all()
    return Loaded(model, gguf.format, gguf.made, gguf.seconds)


def worth_copying(gguf: Path, gpu_layers: int | None) -> bool:
    """Whether the weights of `gguf` are better copied to memory.

    They are when the CPU reads them, when there are huge pages, and when they take at most a quarter of what is free.
    """
    if not huge_pages() or layers_on_gpu(gpu_layers) != 0:
        return False
    room = available_memory()
    return room is not None and 4 * registry().named("gguf").read(gguf).nbytes <= room


def _refuse_damaged_adapter(path: Path) -> None:
    """`DamagedFile` when the structure of a LoRA adapter is broken; only GGUF ones are taken."""
    for finding in registry().named("gguf").validate(path):
        if finding.outcome == "FAIL":
            raise DamagedFile(f"{finding.stage}: {finding.detail}", file=path, offset=finding.offset)
