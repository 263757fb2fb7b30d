"""Tensors as the inference loader computes with them, where Hugging Face's differ; exactly undone when read back.

Fused projections are cut into rows of their own. Gemma's norm weights get the 1 that its code adds to them: the loader
adds nothing, and a GGUF has it in as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hub.codecs import shift, span
from hub.errors import DamagedFile, MissingFact
from hub.ir import ENCODINGS, Config, Model, Tensor, concatenated
from hub_apr import _blocks
from hub_apr._hyperparameters import known_facts

SHIFTED = "with the 1 that Gemma adds to it: apr adds nothing"
_ADDS_ONE = {"gemma", "gemma2", "gemma3_text"}
_NORM = "norm.weight"
_LARGEST_NORM = 1 << 20

# Family: what a name ends in, and what its rows become.
_FUSED: dict[str, dict[str, tuple[str, ...]]] = {
    "phi3": {
        "self_attn.qkv_proj.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
        "mlp.gate_up_proj.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    },
}


@dataclass(frozen=True)
class Suited:
    """By source tensor, the pieces that lie in the file; which of them get 1 added; originals that this would change.

    A sum of float32 numbers may lose the last bits of a small weight; the few that would are kept in the metadata.
    """

    pieces: Mapping[str, tuple[Tensor, ...]]
    shifted: frozenset[str] = frozenset()
    exact: Mapping[str, Tensor] = field(default_factory=dict)

    def blocks(self) -> dict[str, Any]:
        """The metadata that `Undo` reads."""
        joined = {name: [p.name for p in pieces] for name, pieces in self.pieces.items() if len(pieces) > 1}
        exact = {name: [t.encoding.name, list(t.shape), _blocks.deflated(t.read())] for name, t in self.exact.items()}
        found = {"hub.joined": joined, "hub.shifted": sorted(self.shifted), "hub.exact": exact}
        return {key: _blocks.pack(value) for key, value in found.items() if value}


def suit(model: Model, held: Mapping[str, Tensor]) -> Suited:
    """What the tensors `held` of `model` become; themselves unless the architecture asks for more."""
    whole = {name: (tensor,) for name, tensor in held.items()}
    known = known_facts(model.config) if model.naming == "hf" else None
    if known is None:
        return Suited(whole)
    kind, stated = known
    fused = _FUSED.get(kind, {})
    pieces = {name: _cut(tensor, fused, stated) for name, tensor in held.items()}
    if kind not in _ADDS_ONE:
        return Suited(pieces)
    norms = [t for t in held.values() if t.name.endswith(_NORM) and len(t.shape) == 1 and t.nbytes <= _LARGEST_NORM]
    floats = [t for t in norms if t.encoding.name in {"F32", "F16", "BF16"}]
    exact = {t.name: t for t in floats if not _reversible(t)}
    return Suited(pieces, frozenset(t.name for t in floats), exact)


def _cut(tensor: Tensor, fused: Mapping[str, tuple[str, ...]], config: Config) -> tuple[Tensor, ...]:
    ending = next((end for end in fused if tensor.name.endswith(end)), None)
    if ending is None or len(tensor.shape) != 2 or tensor.encoding.flat:
        return (tensor,)
    edges = [0, *accumulate(_row_counts(ending, tensor.shape[0], config))]
    if edges[-1] != tensor.shape[0]:
        return (tensor,)
    stem = tensor.name.removesuffix(ending)
    return tuple(
        tensor.slice(a, b).named(stem + name) for name, (a, b) in zip(fused[ending], pairwise(edges), strict=True)
    )


def _row_counts(ending: str, rows: int, config: Config) -> list[int]:
    """Rows of each piece; none when the config does not say them."""
    if "gate_up" in ending:
        return [rows // 2, rows // 2]
    try:
        q = config.head_dim * config.require("num_attention_heads", int)
        return [q, *[config.head_dim * config.num_kv_heads] * 2]
    except MissingFact:
        return []


def _reversible(tensor: Tensor) -> bool:
    """True when taking the 1 away again gives every bit of the weight."""
    before = np.asarray(span(tensor, 0, tensor.size), np.float32)
    after = np.asarray(span(shift(tensor, 1.0), 0, tensor.size), np.float32) - np.float32(1)
    return np.array_equal(before.view(np.uint32), after.view(np.uint32))


class Undo:
    """The way back, from the metadata that `Suited.blocks` wrote; `DamagedFile` when that is something else."""

    def __init__(self, metadata: Mapping[str, Any], file: Path) -> None:
        self._file = file
        found = {
            key: _blocks.unpack(metadata.get(key), key, file) for key in ("hub.joined", "hub.shifted", "hub.exact")
        }
        joined, self._shifted, exact = found["hub.joined"] or {}, found["hub.shifted"] or [], found["hub.exact"] or {}
        if not isinstance(joined, dict) or not isinstance(exact, dict) or not isinstance(self._shifted, list):
            raise DamagedFile("metadata 'hub.joined', 'hub.shifted' or 'hub.exact' is of another type", file=file)
        self._exact = {name: self._original(name, told) for name, told in exact.items()}
        self._joined: dict[str, list[str]] = joined
        self._whole = {piece: name for name, pieces in self._pieces() for piece in pieces}

    def _pieces(self) -> Sequence[tuple[str, list[str]]]:
        for name, pieces in self._joined.items():
            if not isinstance(pieces, list) or not pieces or not all(isinstance(p, str) for p in pieces):
                raise DamagedFile(
                    f"metadata 'hub.joined' lists no pieces but {str(pieces)[:80]}", file=self._file, tensor=name
                )
        return list(self._joined.items())

    def _original(self, name: str, told: Any) -> Tensor:
        match told:
            case [str(kind), [int(n)], dict(block)] if kind in ENCODINGS:
                raw = _blocks.inflated(block, "hub.exact", self._file)
                return Tensor.from_bytes(name, (n,), ENCODINGS[kind], raw)
        raise DamagedFile("metadata 'hub.exact' holds no tensor", file=self._file, tensor=name)

    def shift(self, stored: Tensor) -> Tensor:
        """The stored values without the 1 that was added to them."""
        if stored.name not in self._shifted:
            return stored
        if stored.encoding.name != "F32":
            raise DamagedFile(f"has 1 added, but is {stored.encoding}", file=self._file, tensor=stored.name)
        return shift(stored, -1.0)

    def join(self, restored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The source's tensors from their pieces, each in the place of its first."""
        out: dict[str, Tensor] = {}
        for name, tensor in restored.items():
            whole = self._whole.get(name)
            if whole is None:
                out[name] = self._exact.get(name, tensor)
            elif whole not in out:
                out[whole] = self._joined_up(whole, restored)
        return out

    def _joined_up(self, name: str, restored: Mapping[str, Tensor]) -> Tensor:
        try:
            return concatenated(name, [restored[piece] for piece in self._joined[name]])
        except (KeyError, ValueError) as error:
            raise DamagedFile(f"its pieces do not fit together: {error}", file=self._file, tensor=name) from None
