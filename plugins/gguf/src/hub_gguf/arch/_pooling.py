"""The pooling of an embedding model, from the files that sentence-transformers puts beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub_gguf.arch._tables import Arch
from hub_gguf.container import Value, ValueType

# llama.cpp's `llama_pooling_type`; the converter looks for them in this order.
_FLAGS = {"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_lasttoken": 3}
_MODES = {"mean": 1, "cls": 2, "lasttoken": 3}
_POOLED = frozenset({"bert", "qwen2", "qwen3"})


def pooling_keys(arch: Arch, files: Mapping[str, bytes]) -> dict[str, Value]:
    """`{arch}.pooling_type`, where modules.json names a pooling module of a kind that llama.cpp has."""
    modules = _json(files.get("modules.json"))
    if arch.name not in _POOLED or not isinstance(modules, list):
        return {}
    named = [m for m in modules if isinstance(m, dict) and str(m.get("type", "")).endswith("Pooling")]
    path = str(named[0].get("path", "")) if named else ""
    pooling = _json(files.get(f"{path}/config.json"))
    if not isinstance(pooling, dict):
        return {}
    flagged = next((number for flag, number in _FLAGS.items() if pooling.get(flag)), None)
    number = flagged or _MODES.get(str(pooling.get("pooling_mode")))
    return {f"{arch.name}.pooling_type": Value(ValueType.UINT32, number)} if number else {}


def _json(data: bytes | None) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None
