"""GGUF tensors that hold several of the usual ones, and the names that older files use.

`--fuse-qkv` and `--fuse-gate-up-exps` of llama.cpp's converter join tensors; files from before 2024-04 hold one tensor
an expert. Joined tensors are cut between rows, which leaves blocks as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hub.architectures import Family
from hub.errors import DamagedFile
from hub.ir import Config, Tensor
from hub_gguf.arch._names import Name
from hub_gguf.arch._rules import Rule, by_gguf, chosen
from hub_gguf.arch._tables import Arch

_JOINED = {
    "blk.{}.attn_qkv": ("blk.{}.attn_q", "blk.{}.attn_k", "blk.{}.attn_v"),
    "blk.{}.ffn_gate_up_exps": ("blk.{}.ffn_gate_exps", "blk.{}.ffn_up_exps"),
}
_SINGLE = {f"blk.{{}}.ffn_{word}.{{}}": f"blk.{{}}.ffn_{word}_exps" for word in ("gate", "up", "down")}


@dataclass(frozen=True)
class Matched:
    """`names`: by GGUF tensor, the usual names of what it holds (none when no rule covers it). `rules`: by those."""

    names: Mapping[str, tuple[Name, ...]]
    rules: Mapping[str, Rule]


def matched(arch: Arch, family: Family, tensors: Iterable[str]) -> Matched:
    """Which rule covers which tensor."""
    known = by_gguf(arch.name, family.model_type)
    names = {name: _usual(Name.parse(name), known) for name in tensors}
    return Matched(names, chosen({str(n): known[n.stem, n.suffix] for held in names.values() for n in held}))


def _usual(name: Name, known: Mapping[tuple[str, str], tuple[Rule, ...]]) -> tuple[Name, ...]:
    stems = (name.stem,) if (name.stem, name.suffix) in known else _JOINED.get(name.stem, ())
    if name.stem in _SINGLE:
        stems = (_SINGLE[name.stem],)
    return tuple(Name(stem, name.numbers, name.suffix) for stem in stems if (stem, name.suffix) in known)


def pieces(tensor: Tensor, names: tuple[Name, ...], facts: Config) -> Iterator[tuple[Name, Tensor]]:
    """The tensors that `tensor` holds, each with its usual name; `DamagedFile` when its rows cannot be shared out."""
    if len(names) == 1:
        yield names[0], tensor
        return
    *outer, rows, columns = tensor.shape if len(tensor.shape) > 1 else (*tensor.shape, 0)
    heights = _heights(rows, len(names), facts)
    if sum(heights) != rows or len(outer) > 1:
        raise DamagedFile(f"{rows} rows were found, {sum(heights)} were expected", tensor=tensor.name)
    start = 0
    for name, height in zip(names, heights, strict=True):
        yield name, _rows(tensor, start, start + height, rows, columns)
        start += height


def _heights(rows: int, parts: int, facts: Config) -> list[int]:
    if parts == 2:
        return [rows // 2] * 2
    queries = facts.head_dim * facts.require("num_attention_heads", int)
    keys = facts.head_dim * facts.num_kv_heads
    return [queries, keys, keys]


def _rows(tensor: Tensor, start: int, stop: int, rows: int, columns: int) -> Tensor:
    """Rows `start` to `stop` of each matrix of `tensor`."""
    if len(tensor.shape) < 3:
        return tensor.slice(start, stop)
    stacks = tensor.shape[0]
    index = (np.arange(stacks)[:, None] * rows + np.arange(start, stop)).reshape(-1)
    return tensor.reshaped(stacks * rows, columns).take(index).reshaped(stacks, stop - start, columns)
