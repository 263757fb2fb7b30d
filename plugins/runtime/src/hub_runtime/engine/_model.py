"""A model in memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hub.embedded import embedded
from hub.errors import UnsupportedFile, UsageError
from hub_runtime.engine._context import Context, NodeCallback
from hub_runtime.engine._devices import gpu_layers as layers_on_gpu
from hub_runtime.engine._inside import opened_at
from hub_runtime.engine._library import LOG, ONE_AT_A_TIME, library
from hub_runtime.engine._memory import use_huge_pages
from hub_runtime.engine._signals import heard_afterwards
from hub_runtime.engine._template import ChatTemplate
from hub_runtime.engine._vocab import Vocab


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter: a GGUF file, and how strongly it counts."""

    path: Path
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """The adapter that "FILE" or "FILE=SCALE" says."""
        path, _, scale = text.rpartition("=")
        try:
            return cls(Path(path), float(scale)) if path else cls(Path(text))
        except ValueError:
            return cls(Path(text))


class LoadedModel:
    """Weights and vocabulary of one model; contexts made of it compute. Close it after its contexts.

    `path` is the model's as the user knows it, which is not the GGUF's when that was made of it. `load_seconds` is what
    loading took; `gpu_layers` the layers on the GPU (-1: all); `mmap` whether the weights stayed in the file.
    """

    def __init__(
        self, path: Path, handle: int, gpu_layers: int, mmap: bool, load_seconds: float, free: ExitStack
    ) -> None:
        self._c: Any = library()
        self._free = free
        self.path, self.handle = path, handle
        self.gpu_layers, self.mmap, self.load_seconds = gpu_layers, mmap, load_seconds
        self.vocab = Vocab(self._c.llama_model_get_vocab(handle))
        self.adapters: list[tuple[Any, float]] = []

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the weights. Contexts of this model must be closed before."""
        self._free.close()

    @property
    def n_ctx_train(self) -> int:
        """Positions that the model was trained for."""
        return int(self._c.llama_model_n_ctx_train(self.handle))

    @property
    def n_embd(self) -> int:
        """Values of one embedding."""
        return int(self._c.llama_model_n_embd(self.handle))

    @property
    def n_layer(self) -> int:
        """Layers."""
        return int(self._c.llama_model_n_layer(self.handle))

    @property
    def n_params(self) -> int:
        """Weights, counted one by one."""
        return int(self._c.llama_model_n_params(self.handle))

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return int(self._c.llama_model_size(self.handle))

    @property
    def description(self) -> str:
        """llama.cpp's own words: "llama 256M Q4_1"."""
        buffer = ctypes.create_string_buffer(256)
        self._c.llama_model_desc(self.handle, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def has_encoder(self) -> bool:
        """True for encoder-decoder models."""
        return bool(self._c.llama_model_has_encoder(self.handle))

    @property
    def has_decoder(self) -> bool:
        """False for the encoder of an encoder-decoder model alone."""
        return bool(self._c.llama_model_has_decoder(self.handle))

    @property
    def generates(self) -> bool:
        """True when the model continues text: it has a decoder alone, whose tokens see only those before them."""
        causal = self.metadata.get(f"{self.metadata.get('general.architecture')}.attention.causal", "true")
        return self.has_decoder and not self.has_encoder and causal == "true"

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The scalar keys of the GGUF file as text, arrays in short."""
        key, value = self._c.llama_model_meta_key_by_index, self._c.llama_model_meta_val_str_by_index
        count: int = self._c.llama_model_meta_count(self.handle)
        return {_string(key, self.handle, i): _string(value, self.handle, i) for i in range(count)}

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template of the model's metadata; None when it has none. `UsageError` when it does not parse."""
        named = {k.removeprefix(_TEMPLATE).lstrip("."): v for k, v in self.metadata.items() if k.startswith(_TEMPLATE)}
        if "" not in named:
            return None
        special = {name: getattr(self.vocab, name) for name in ("bos", "eos", "pad", "sep")}
        words = {f"{name}_token": self.vocab.text(token) for name, token in special.items() if token is not None}
        return ChatTemplate(named.pop(""), words, named)

    def context(
        self,
        ctx: int | None = None,
        *,
        sequences: int = 1,
        threads: int | None = None,
        batch: int = 512,
        embeddings: bool = False,
        pooling: str | None = None,
        on_node: NodeCallback | None = None,
    ) -> Context:
        """A place to compute in. See `Context` for what the arguments mean.

        `UsageError` for a `ctx` of more positions than the model was trained for.
        """
        size = ctx or self.n_ctx_train
        if size > self.n_ctx_train > 0:
            message = f"{size} positions are more than the {self.n_ctx_train} that the model was trained for"
            raise UsageError(message, file=self.path)
        return Context(
            self,
            size,
            sequences=sequences,
            threads=threads,
            batch=batch,
            embeddings=embeddings,
            pooling=pooling,
            on_node=on_node,
        )


_TEMPLATE = "tokenizer.chat_template"


def _string(get: Any, handle: int, index: int) -> str:
    size = 256
    while True:
        buffer = ctypes.create_string_buffer(size)
        got: int = get(handle, index, buffer, size)
        if got < size:
            return buffer.raw[: max(got, 0)].decode("utf-8", "replace")
        size = got + 1


def load(
    path: Path | str,
    *,
    gpu_layers: int | None = None,
    mmap: bool = True,
    lora: Sequence[Adapter] = (),
    source: Path | None = None,
) -> LoadedModel:
    """Load the GGUF file at `path` (the first part of a split one, or a file that embeds one).

    `gpu_layers`: None puts all layers on the GPU when there is one, 0 none, -1 all; asking for some where there is no
    GPU is a `UsageError`. With `mmap` the weights are mapped from the file; without, they are copied into memory of the
    process's own, in huge pages where there are some. `lora` are adapters that every context applies. `source` is what
    the GGUF was made of.
    llama.cpp aborts the process on some damaged files: pass only what hub's own reader accepted
    (`hub_runtime.bridge.as_gguf`). `UnsupportedFile` when llama.cpp refuses the model. Threads that load at the same
    time wait for each other.
    """
    with ONE_AT_A_TIME:
        return _load(Path(path), gpu_layers, mmap, lora, source or Path(path))


def _load(path: Path, gpu_layers: int | None, mmap: bool, lora: Sequence[Adapter], source: Path) -> LoadedModel:
    c = library()
    layers = layers_on_gpu(gpu_layers)
    params = c.llama_model_default_params()
    params.n_gpu_layers = layers
    if layers == 0:
        params.devices = ctypes.cast(_NO_DEVICES, ctypes.c_void_p)
    if not mmap:
        params.load_mode = c.LLAMA_LOAD_MODE_NONE
    LOG.lines.clear()
    started = time.perf_counter()
    with ExitStack() as stack:
        with heard_afterwards():
            handle = _handle(c, path, params)
            if handle:
                stack.callback(c.llama_model_free, handle)
        if not handle:
            raise UnsupportedFile(f"llama.cpp does not load it: {LOG.reasons()}", file=source)
        if not mmap:
            use_huge_pages()
        model = LoadedModel(source, handle, layers, mmap, time.perf_counter() - started, stack)
        model.adapters = [(_adapter(model, adapter), adapter.scale) for adapter in lora]
        model._free = stack.pop_all()
    return model


def _handle(c: Any, path: Path, params: Any) -> Any:
    """llama.cpp's handle of the model, or None; one inside a larger file is mapped where it lies."""
    inside = embedded(path)
    if inside is None:
        return c.llama_model_load_from_file(str(path).encode("utf-8", "surrogateescape"), params)
    with opened_at(path, inside.offset) as file:
        return c.llama_model_load_from_file_ptr(file, params)


_NO_DEVICES = (ctypes.c_void_p * 1)(None)


def _adapter(model: LoadedModel, adapter: Adapter) -> Any:
    """llama.cpp's handle of a LoRA adapter; it is freed with the model."""
    path = str(adapter.path).encode("utf-8", "surrogateescape")
    if not adapter.path.is_file():
        raise UsageError("no such LoRA adapter", file=adapter.path)
    LOG.lines.clear()
    with heard_afterwards():
        handle = library().llama_adapter_lora_init(model.handle, path)
    if not handle:
        raise UnsupportedFile(f"llama.cpp does not load the LoRA adapter: {LOG.reasons()}", file=adapter.path)
    return handle
