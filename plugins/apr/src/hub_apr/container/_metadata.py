"""The metadata of an APR v2 file: one JSON object whose known keys have fixed types."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile
from hub_apr.container._json import parse_json

Check = Callable[[Any], bool]

# Larger than any real metadata; it bounds what a file can make us parse.
LARGEST = 256 << 20


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _uint(bits: int) -> Check:
    return lambda value: type(value) is int and 0 <= value < 1 << bits


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _bool(value: Any) -> bool:
    return isinstance(value, bool)


def _opt(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _struct(required: Mapping[str, Check], optional: Mapping[str, Check], order: tuple[str, ...]) -> Check:
    """An object with typed members, or an array of all of them in order."""
    checks = {**required, **{name: _opt(check) for name, check in optional.items()}}

    def check(value: Any) -> bool:
        if isinstance(value, list):
            return len(value) == len(order) and check(dict(zip(order, value, strict=True)))
        return (
            isinstance(value, dict)
            and required.keys() <= value.keys()
            and all(checks[k](v) for k, v in value.items() if k in checks)
        )

    return check


_U64 = _uint(64)
_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "im_start_token", "im_end_token")

_QUANTIZATION = _struct(
    {"quant_type": _text, "bits": _uint(8), "symmetric": _bool},
    {"block_size": _U64},
    ("quant_type", "bits", "block_size", "symmetric"),
)
_SHARDING = _struct(
    {"shard_count": _U64, "shard_index": _U64, "total_size": _U64},
    {"pattern": _text},
    ("shard_count", "shard_index", "total_size", "pattern"),
)
_SPECIAL = _struct({}, dict.fromkeys(_TOKENS, _text), _TOKENS)

# key: what its value must be. The order is the one the reference library writes.
KNOWN: dict[str, tuple[str, Check]] = {
    "model_type": ("a string", _text),
    "name": ("a string or null", _opt(_text)),
    "description": ("a string or null", _opt(_text)),
    "author": ("a string or null", _opt(_text)),
    "license": ("a string or null", _opt(_text)),
    "data_source": ("a string or null", _opt(_text)),
    "data_license": ("a string or null", _opt(_text)),
    "version": ("a string or null", _opt(_text)),
    "source": ("a string or null", _opt(_text)),
    "original_format": ("a string or null", _opt(_text)),
    "created_at": ("a string or null", _opt(_text)),
    "total_size": ("an unsigned integer", _U64),
    "param_count": ("an unsigned integer", _U64),
    "quantization": ("an object with quant_type, bits, block_size and symmetric", _opt(_QUANTIZATION)),
    "sharding": ("an object with shard_count, shard_index, total_size and pattern", _opt(_SHARDING)),
    "chat_template": ("a string or null", _opt(_text)),
    "chat_format": ("a string or null", _opt(_text)),
    "special_tokens": (f"an object whose members {', '.join(_TOKENS)} are strings", _opt(_SPECIAL)),
    "architecture": ("a string or null", _opt(_text)),
    "hf_architecture": ("a string or null", _opt(_text)),
    "hf_model_type": ("a string or null", _opt(_text)),
    "hidden_size": ("an unsigned integer or null", _opt(_U64)),
    "num_layers": ("an unsigned integer or null", _opt(_U64)),
    "num_heads": ("an unsigned integer or null", _opt(_U64)),
    "num_kv_heads": ("an unsigned integer or null", _opt(_U64)),
    "vocab_size": ("an unsigned integer or null", _opt(_U64)),
    "intermediate_size": ("an unsigned integer or null", _opt(_U64)),
    "max_position_embeddings": ("an unsigned integer or null", _opt(_U64)),
    "rope_theta": ("a number or null", _opt(_number)),
    "rope_type": ("an unsigned 32-bit integer or null", _opt(_uint(32))),
    "rms_norm_eps": ("a number or null", _opt(_number)),
    "head_dim": ("an unsigned integer or null", _opt(_U64)),
    "num_experts": ("an unsigned integer or null", _opt(_U64)),
    "num_experts_per_tok": ("an unsigned integer or null", _opt(_U64)),
    "moe_intermediate_size": ("an unsigned integer or null", _opt(_U64)),
}  # fmt: skip

# Other spellings that the inference loader knows; two spellings of one field make it ignore all metadata.
ALIASES: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_dim", "d_model", "n_embd"),
    "num_layers": ("n_layers", "num_hidden_layers", "n_layer"),
    "num_heads": ("n_heads", "num_attention_heads", "n_head"),
    "num_kv_heads": ("n_kv_heads", "num_key_value_heads"),
    "vocab_size": ("n_vocab",),
    "intermediate_size": ("ffn_dim", "intermediate_dim", "n_inner"),
    "max_position_embeddings": ("max_seq_len", "context_length", "n_ctx"),
    "rms_norm_eps": ("layer_norm_eps", "norm_eps"),
}


def parse_metadata(raw: bytes, path: Path, offset: int, *, typed: bool = True) -> dict[str, Any]:
    """The JSON object in `raw`, which lies at `offset` of `path`.

    Refused: anything that is not one JSON object (see `parse_json`), and (when `typed`) a known key of a wrong type.
    """
    try:
        value = parse_json(raw)
    except ValueError as error:
        raise DamagedFile(f"the metadata is not JSON: {_short(error)}", file=path, offset=offset) from None
    if not isinstance(value, dict):
        raise DamagedFile(
            f"the metadata is a JSON {type(value).__name__}, an object was expected", file=path, offset=offset
        )
    for key, (kind, fits) in KNOWN.items() if typed else ():
        if key in value and not fits(value[key]):
            raise DamagedFile(
                f"metadata {key!r} is {str(value[key])[:60]!r}, {kind} was expected", file=path, offset=offset
            )
    return value


def pack_metadata(metadata: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def repeated(raw: bytes) -> list[str]:
    """Keys that the JSON object in `raw`, which `parse_metadata` accepts, holds more than once at its top level."""
    keys: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        keys[:] = [key for key, _ in pairs]  # the outermost object ends last

    json.loads(raw, object_pairs_hook=note)
    return [key for key, n in Counter(keys).items() if n > 1]


def spelled(metadata: Mapping[str, Any], key: str) -> list[str]:
    """The spellings of the field `key` that `metadata` holds, the canonical one first."""
    return [name for name in (key, *ALIASES.get(key, ())) if name in metadata]


def field(metadata: Mapping[str, Any], key: str) -> Any:
    """The value of `key` under its canonical name or an alias; None when absent or null."""
    return next((metadata[name] for name in spelled(metadata, key) if metadata[name] is not None), None)


def _short(error: ValueError) -> str:
    text = str(error)
    return text if len(text) < 160 else f"{text[:157]}..."
