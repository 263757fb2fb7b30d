"""Which models must not reach llama.cpp: it ends the whole process on some damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hub.errors import DamagedFile
from hub.inspection import check
from hub.interface import Stage
from hub.ir import Model
from hub.opening import open_model

# llama.cpp refuses tensors that do not fit its idea of an architecture, cleanly; what comes before can end the process.
_LEFT_TO_LLAMA = (Stage.ARCHITECTURE, Stage.INFERENCE)

# llama.cpp asserts that tokens go to some expert where there are experts.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_EXPERTS_USED = "num_experts_per_tok"


def refuse_damaged(path: Path) -> None:
    """`DamagedFile` when hub's own checks of the model at `path` fail, or llama.cpp is known to end on it."""
    for stage in check(path, inference=False).stages:
        if stage.outcome == "FAIL" and stage.stage not in _LEFT_TO_LLAMA:
            raise DamagedFile(f"{stage.title.lower()}: {stage.detail}", file=path, hint="hub check shows all stages")
    opened, model = open_model(path)
    for reason in _fatal(model, usual=0 if opened.name == "gguf" else None):
        raise DamagedFile(f"{reason}; llama.cpp would end the process", file=path)


def _fatal(model: Model, usual: int | None) -> Iterator[str]:
    """What llama.cpp asserts of a model and this one does not have; `usual`: what it takes for a missing number."""
    tokenizer = model.tokenizer.get()
    if tokenizer is not None:
        read = [token.partition("\0")[0] for token in tokenizer.tokens]  # it reads them as C strings
        read = [token for token in read if token]  # and renames empty ones
        if len(set(read)) < len(read):
            twice = next(token for token, count in Counter(read).items() if count > 1)
            yield f"the vocabulary holds {twice!r} twice"
    if any(model.config.get(key) for key in _EXPERTS) and model.config.get(_EXPERTS_USED, usual) == 0:
        yield f"{_EXPERTS_USED} is missing or 0"
