"""The pooling of an embedding model, from the files that sentence-transformers puts beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub.ir import Model
from hub_gguf.arch._tables import Arch
from hub_gguf.container import Value, ValueType

# llama.cpp's `llama_pooling_type`; the converter looks for them in this order.
_FLAGS = {"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_lasttoken": 3}
_MODES = {"mean": 1, "cls": 2, "lasttoken": 3}
_POOLED = frozenset({"bert", "qwen2", "qwen3"})


def pooling_keys(arch: Arch, model: Model) -> dict[str, Value]:
    """`{arch}.pooling_type`, where modules.json names a pooling module of a kind that llama.cpp has.

    A model without that file may say it in its metadata, as one read from a GGUF does.
    """
    if arch.name not in _POOLED:
        return {}
    said = _MODES.get(str(model.metadata.get("pooling")))
    number = _number(model.files) if "modules.json" in model.files else said
    return {f"{arch.name}.pooling_type": Value(ValueType.UINT32, number)} if number else {}


def _number(files: Mapping[str, bytes]) -> int | None:
    modules = _json(files.get("modules.json"))
    listed = [m for m in modules if isinstance(m, dict)] if isinstance(modules, list) else []
    path = next((str(m.get("path", "")) for m in listed if str(m.get("type", "")).endswith("Pooling")), None)
    pooling = _json(files.get(f"{path}/config.json"))
    if not isinstance(pooling, dict):
        return None
    flagged = next((number for flag, number in _FLAGS.items() if pooling.get(flag)), None)
    return flagged or _MODES.get(str(pooling.get("pooling_mode")))


def _json(data: bytes | None) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None
