"""What a rule does to rows and values between Hugging Face and GGUF, both ways.

Every operation but the last moves whole rows or elements, so blocks stay as they are. Source of the layouts: the
`modify_tensors` methods of llama.cpp's converter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from hub.codecs import recode, shift
from hub.errors import DamagedFile
from hub.ir import F32, Config, Index, Tensor

Direction = Literal["gguf", "hf"]


class Op:
    """The same rows and values on both sides."""

    def gguf(self, tensor: Tensor, config: Config) -> Tensor:
        """The GGUF form of a Hugging Face tensor."""
        del config
        return tensor

    def hf(self, tensor: Tensor, config: Config) -> Tensor:
        """The Hugging Face form of a GGUF tensor."""
        del config
        return tensor


@dataclass(frozen=True)
class Interleaved(Op):
    """Rotary rows: Hugging Face rotates row r of a head with row r + d/2, llama.cpp neighbours 2r and 2r + 1.

    `heads` is the fact that counts the heads. Weights [heads * d, in] and biases [heads * d].
    """

    heads: Literal["num_attention_heads", "num_key_value_heads"]

    def gguf(self, tensor: Tensor, config: Config) -> Tensor:
        return _moved(tensor, _interleaved(_rows(tensor, 2 * self._count(config)), self._count(config)))

    def hf(self, tensor: Tensor, config: Config) -> Tensor:
        return _moved(tensor, _halved(_rows(tensor, 2 * self._count(config)), self._count(config)))

    def _count(self, config: Config) -> int:
        heads = config.require("num_attention_heads", int)
        return heads if self.heads == "num_attention_heads" else config.fact(self.heads, int) or heads


@dataclass(frozen=True)
class Grouped(Op):
    """Fused query, key, value: per group in Hugging Face, all queries then all keys then all values in GGUF.

    A group is one key and value head with the queries that share it: rows [groups, queries + 2, d].
    """

    def gguf(self, tensor: Tensor, config: Config) -> Tensor:
        return _moved(tensor, self._index(tensor, config))

    def hf(self, tensor: Tensor, config: Config) -> Tensor:
        return _moved(tensor, np.argsort(self._index(tensor, config)))

    def _index(self, tensor: Tensor, config: Config) -> Index:
        heads, groups = config.require("num_attention_heads", int), config.num_kv_heads
        if groups < 1 or heads % groups:
            raise DamagedFile(f"{heads} heads do not share {groups} key heads evenly", tensor=tensor.name)
        return _regrouped(_rows(tensor, heads + 2 * groups), heads, groups)


class Transpose(Op):
    """A matrix stored input first (`Conv1D`); blocks of a quantized one are decoded, they cannot be turned."""

    def gguf(self, tensor: Tensor, config: Config) -> Tensor:
        del config
        if len(tensor.shape) != 2:
            return tensor
        return (recode(tensor, F32) if tensor.encoding.quantized else tensor).transposed()

    hf = gguf


@dataclass(frozen=True)
class Offset(Op):
    """A norm weight that GGUF stores with `by` added; only weights, in F32."""

    by: float

    def gguf(self, tensor: Tensor, config: Config) -> Tensor:
        del config
        return shift(tensor, self.by)

    def hf(self, tensor: Tensor, config: Config) -> Tensor:
        del config
        return shift(tensor, -self.by)


class OneRow(Op):
    """A matrix of one row, which some GGUF files hold as a vector."""

    def hf(self, tensor: Tensor, config: Config) -> Tensor:
        del config
        return tensor.reshaped(1, tensor.shape[-1]) if len(tensor.shape) == 1 else tensor


def _rows(tensor: Tensor, multiple: int) -> int:
    rows = tensor.shape[0]
    if multiple < 1 or rows % multiple:
        raise DamagedFile(f"{rows} rows were found, a multiple of {multiple} was expected", tensor=tensor.name)
    return rows


def _moved(tensor: Tensor, index: Index) -> Tensor:
    """The rows of `tensor` in the order of `index`; a vector in blocks is decoded, its values cannot be moved."""
    blocks = len(tensor.shape) == 1 and tensor.encoding.block > 1
    return (recode(tensor, F32) if blocks else tensor).take(index)


@lru_cache(maxsize=8)
def _interleaved(rows: int, heads: int) -> Index:
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(-1)


@lru_cache(maxsize=8)
def _halved(rows: int, heads: int) -> Index:
    return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(-1)


@lru_cache(maxsize=8)
def _regrouped(rows: int, heads: int, groups: int) -> Index:
    cells = np.arange(rows).reshape(groups, heads // groups + 2, -1)
    return np.concatenate([cells[:, :-2].reshape(-1), cells[:, -2].reshape(-1), cells[:, -1].reshape(-1)])
