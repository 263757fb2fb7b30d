"""Which models must not reach llama.cpp: it ends the whole process on some damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hub.errors import DamagedFile
from hub.interface import Stage
from hub.ir import Config, Model
from hub.opening import open_model
from hub.verdicts import check

# llama.cpp refuses tensors that do not fit its idea of an architecture, cleanly; what comes before can end the process.
_LEFT_TO_LLAMA = (Stage.ARCHITECTURE, Stage.INFERENCE)

# llama.cpp asserts that tokens go to some expert where there are experts.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_EXPERTS_USED = "num_experts_per_tok"
_MOST_LAYERS = 512  # LLAMA_MAX_LAYERS (llama-hparams.h)
# It takes roots of a mean plus these.
_EPSILONS = ("rms_norm_eps", "layer_norm_eps")
# Its kernels compute with none of these, and end the process when a weight comes in one.
_NO_WEIGHTS = frozenset({"I8", "I16", "I32", "I64", "F64"})


def refuse_damaged(path: Path) -> None:
    """`DamagedFile` when hub's own checks of the model at `path` fail, or llama.cpp is known to end on it."""
    for stage in check(path, inference=False).stages:
        if stage.outcome == "FAIL" and stage.stage not in _LEFT_TO_LLAMA:
            raise DamagedFile(f"{stage.title.lower()}: {stage.detail}", file=path, hint="hub check shows all stages")
    opened, model = open_model(path)
    for reason in _fatal(model, gguf=opened.name == "gguf"):
        raise DamagedFile(f"{reason}; llama.cpp would end the process", file=path)


def _fatal(model: Model, *, gguf: bool) -> Iterator[str]:
    """What llama.cpp asserts of a model and this one does not have; `gguf`: it gets the file as it is."""
    tokenizer = model.tokenizer.get()
    if tokenizer is not None:
        read = [token.partition("\0")[0] for token in tokenizer.tokens]  # it reads them as C strings
        read = [token for token in read if token]  # and renames empty ones
        if len(set(read)) < len(read):
            twice = next(token for token, count in Counter(read).items() if count > 1)
            yield f"the vocabulary holds {twice!r} twice"
    yield from _fatal_facts(model.config, gguf=gguf)
    for tensor in model.tensors.values():
        name = tensor.encoding.name
        if name in _NO_WEIGHTS and tensor.name.endswith((".weight", ".bias")):
            yield f"{tensor.name} is {name}, which is no encoding of weights"
        elif gguf and len(tensor.shape) == 1 and name in ("F16", "BF16"):
            yield f"{tensor.name} is {name}; vectors must be F32"


def _fatal_facts(config: Config, *, gguf: bool) -> Iterator[str]:
    usual = 0 if gguf else None  # what llama.cpp takes for a missing number
    if any(config.get(key) for key in _EXPERTS) and config.get(_EXPERTS_USED, usual) == 0:
        yield f"{_EXPERTS_USED} is missing or 0"
    layers = config.get("num_hidden_layers")
    if isinstance(layers, int) and not 0 < layers <= _MOST_LAYERS:
        yield f"num_hidden_layers is {layers}; from 1 to {_MOST_LAYERS} were expected"
    for key in _EPSILONS:
        value = config.get(key)
        if isinstance(value, int | float) and not value >= 0:
            yield f"{key} is {value}; 0 or more was expected"
