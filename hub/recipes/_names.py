"""Which tensor of a GGUF a canonical tensor becomes, or is a part of: importance matrices know GGUF's names only."""

from __future__ import annotations

from dataclasses import replace

from hub.interface import Options
from hub.ir import Lazy, Model


def gguf_parts(model: Model) -> dict[str, tuple[str, int, int]]:
    """GGUF's name of each canonical tensor, which part of it that is, and of how many.

    The plugin for GGUF knows them; `NoPlugin` without it.
    """
    from hub.plugins import registry

    bare = replace(model, tokenizer=Lazy(lambda: None), source=Lazy(dict))
    plan = registry().named("gguf").plan(bare, Options())
    return {
        name: (planned.tensor.name, at, len(planned.sources))
        for planned in plan.tensors for at, name in enumerate(planned.sources)
    }  # fmt: skip
