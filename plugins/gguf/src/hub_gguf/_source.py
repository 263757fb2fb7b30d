"""The source block "gguf": every key with its exact type, and the order of the tensors, as JSON values.

With it, other formats carry what they cannot interpret, and the file is written again key for key. An array that the
canonical tokenizer gives back is not stored twice: it is a reference, guarded by the CRC-32 of its encoded elements.

    {"version": 3,
     "keys": [{"key": "general.name", "type": "STRING", "value": "..."},
              {"key": "a", "type": "ARRAY", "item": "INT32", "base64": "AQAAAA=="},
              {"key": "tokenizer.ggml.tokens", "type": "ARRAY", "item": "STRING", "same": "tokenizer", "crc32": 1}],
     "tensors": [{"name": "token_embd.weight", "encoding": "Q4_K"}, ...],
     "carried": ["hub.file.config.json"]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from struct import pack, unpack
from typing import Any
from zlib import crc32

from hub.errors import DamagedFile
from hub_gguf._carried import from_base64, to_base64
from hub_gguf.container import Value, ValueType, decode_items, encode_items

Json = dict[str, Any]

# Shorter arrays are stored as they are.
_LONG = 64
_FLOATS = {ValueType.FLOAT32: "<f", ValueType.FLOAT64: "<d"}


def to_json(key: str, value: Value, regenerated: Value | None) -> Json:
    """One key of the block; `regenerated` is what the canonical tokenizer gives for it, if anything."""
    out: Json = {"key": key, "type": value.type.name}
    if value.item is None:
        return out | _scalar(value)
    out["item"] = value.item.name
    if len(value.data) > _LONG and regenerated is not None and regenerated.item is value.item:
        data = encode_items(value)
        if data == encode_items(regenerated):
            return out | {"same": "tokenizer", "crc32": crc32(data)}
    return out | _elements(value)


def from_json(entry: Json, regenerated: Mapping[str, Value]) -> tuple[str, Value]:
    """The key and value that `to_json` stored. `DamagedFile` names a key whose value is not as it was, or malformed."""
    key = str(entry.get("key"))
    try:
        kind = ValueType[entry["type"]]
        if kind is not ValueType.ARRAY:
            return key, _read_scalar(kind, entry)
        item = ValueType[entry["item"]]
        return key, _referred(key, entry, regenerated) if "same" in entry else _read_elements(item, entry)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the carried GGUF key {key!r} is malformed: {error!r}") from error


def _scalar(value: Value) -> Json:
    layout = _FLOATS.get(value.type)
    if layout and not math.isfinite(value.data):
        return {"hex": pack(layout, value.data).hex()}
    return {"value": value.data}


def _read_scalar(kind: ValueType, entry: Json) -> Value:
    if "hex" in entry:
        return Value(kind, unpack(_FLOATS[kind], bytes.fromhex(entry["hex"]))[0])
    value = entry["value"]
    return Value(kind, float(value) if kind in _FLOATS else value)


def _elements(value: Value) -> Json:
    if value.item is ValueType.STRING:
        return {"value": list(value.data)}
    if value.item is ValueType.ARRAY:
        return {"value": [{"item": inner.item.name, **_elements(inner)} for inner in value.data]}
    return {"base64": to_base64(encode_items(value))}


def _read_elements(item: ValueType, entry: Json) -> Value:
    if item is ValueType.STRING:
        return Value.array(item, [str(text) for text in entry["value"]])
    if item is ValueType.ARRAY:
        return Value.array(item, [_read_elements(ValueType[inner["item"]], inner) for inner in entry["value"]])
    return Value.array(item, decode_items(item, from_base64(entry["base64"])))


def _referred(key: str, entry: Json, regenerated: Mapping[str, Value]) -> Value:
    value = regenerated.get(key)
    if value is None or crc32(encode_items(value)) != entry["crc32"]:
        raise DamagedFile(
            f"the tokenizer does not give the array {key!r} that the GGUF had",
            hint="it was changed on the way; convert from the original",
        )
    return value


def keys_to_json(keys: Mapping[str, Value], regenerated: Mapping[str, Value]) -> list[Json]:
    """All keys of the block, in their order."""
    return [to_json(key, value, regenerated.get(key)) for key, value in keys.items()]


def keys_from_json(entries: Sequence[Json], regenerated: Mapping[str, Value]) -> dict[str, Value]:
    """The keys as they stood in the file, in their order."""
    return dict(from_json(entry, regenerated) for entry in entries)
