"""Hyper-parameters with Hugging Face's keys and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from hub.errors import MissingFact

T = TypeVar("T")

# The canonical key, and what config.json calls it in families with names of their own.
ALIASES: dict[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model"),
    "num_hidden_layers": ("n_layer", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv"),
    "intermediate_size": ("n_inner", "ffn_hidden_size"),
    "max_position_embeddings": ("n_positions", "n_ctx"),
    "rms_norm_eps": (),
    "layer_norm_eps": ("layer_norm_epsilon", "norm_epsilon"),
    "num_experts": ("num_local_experts",),
    "partial_rotary_factor": ("rotary_pct",),
}


class Config(Mapping[str, Any]):
    """The keys of a config.json; `get` also finds a fact under its family's own name (see `ALIASES`)."""

    def __init__(self, values: Mapping[str, Any] | None = None, *, file: str | None = None) -> None:
        self._values = dict(values or {})
        self._file = file

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def fact(self, key: str, kind: type[T]) -> T | None:
        """The value under `key` or one of its aliases; None when absent or null; an error when of another type."""
        for name in (key, *ALIASES.get(key, ())):
            value = self._values.get(name)
            if value is None:
                continue
            if kind is float and type(value) is int and value.bit_length() < 1024:
                value = float(value)
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise MissingFact(f"config {name!r} is {value!r}, {kind.__name__} was expected", file=self._file)
            return value
        return None

    def require(self, key: str, kind: type[T]) -> T:
        """As `fact`, and `MissingFact` naming the key when it is absent."""
        value = self.fact(key, kind)
        if value is None:
            raise MissingFact(
                f"the configuration has no {key!r}", file=self._file, hint=f"state it with --assume {key}=VALUE"
            )
        return value

    def merged(self, values: Mapping[str, Any]) -> Config:
        """A copy with `values` set."""
        return Config({**self._values, **values}, file=self._file)

    @property
    def family(self) -> str | None:
        """`model_type`: llama, qwen2, gemma2, gpt2 ...; None when nothing says it."""
        return self.fact("model_type", str)

    @property
    def num_kv_heads(self) -> int:
        """Key and value heads; the number of heads when the family has no grouped queries."""
        return self.fact("num_key_value_heads", int) or self.require("num_attention_heads", int)

    @property
    def head_dim(self) -> int:
        """Width of one head; hidden_size / heads where config.json does not state it."""
        stated = self.fact("head_dim", int)
        heads = self.require("num_attention_heads", int) if not stated else 1
        if heads < 1:
            raise MissingFact(f"config 'num_attention_heads' is {heads}, at least 1 was expected", file=self._file)
        return stated or self.require("hidden_size", int) // heads
