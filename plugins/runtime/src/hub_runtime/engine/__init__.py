"""llama.cpp, typed: load a model, tokenize, generate, batch.

    with as_gguf(path) as gguf, load(gguf.path) as model, model.context(4096, sequences=4) as context:
        slots = Slots(context)
        request = Request(model.vocab.tokenize("Once"), Settings(temperature=0.7, seed=42), max_tokens=64)
        for token in generate(slots, request):
            print(token.text, end="")

`LoadedModel` holds weights and vocabulary, `Context` computes batches, `Slots` answers many requests at once on one
context (continuous batching) and `Generation` is one answer with its text, finish reason and counters.
"""

from hub_runtime.engine._context import POOLINGS, Batch, Context, NodeCallback
from hub_runtime.engine._devices import ALL_LAYERS, Device, default_threads, devices
from hub_runtime.engine._devices import gpu_layers as layers_on_gpu
from hub_runtime.engine._embed import embed
from hub_runtime.engine._generation import (
    Alternative,
    Counters,
    Finish,
    Generation,
    PromptTooLong,
    Request,
    Token,
)
from hub_runtime.engine._library import LOG, Log, library
from hub_runtime.engine._memory import available_memory, huge_pages, use_huge_pages
from hub_runtime.engine._model import Adapter, LoadedModel, load
from hub_runtime.engine._sampler import Sampler, log_probabilities
from hub_runtime.engine._schema import gbnf_of_schema
from hub_runtime.engine._settings import Settings
from hub_runtime.engine._signals import heard_afterwards
from hub_runtime.engine._slots import Slots, best, generate, generate_all
from hub_runtime.engine._stream import TextStream, overlap
from hub_runtime.engine._template import ChatTemplate
from hub_runtime.engine._vocab import Vocab

__all__ = [
    "ALL_LAYERS",
    "LOG",
    "POOLINGS",
    "Adapter",
    "Alternative",
    "Batch",
    "ChatTemplate",
    "Context",
    "Counters",
    "Device",
    "Finish",
    "Generation",
    "LoadedModel",
    "Log",
    "NodeCallback",
    "PromptTooLong",
    "Request",
    "Sampler",
    "Settings",
    "Slots",
    "TextStream",
    "Token",
    "Vocab",
    "available_memory",
    "best",
    "default_threads",
    "devices",
    "embed",
    "gbnf_of_schema",
    "generate",
    "generate_all",
    "heard_afterwards",
    "huge_pages",
    "layers_on_gpu",
    "library",
    "load",
    "log_probabilities",
    "overlap",
    "use_huge_pages",
]
