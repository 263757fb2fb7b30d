"""Comparing what was with what is: tensors by value, configs and tokenizers key by key.

Used by the verification of every conversion and by `hub diff`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import sqrt
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hub import codecs
from hub.codecs import native
from hub.ir import Bytes, Config, Tensor, Tokenizer

Verdict = Literal["same bytes", "equal values", "differs", "shape", "kind"]
Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How tensor b compares with tensor a.

    `max_abs` and `rmse` are of b - a over values finite in both, `cosine` of the two as vectors; they are right to six
    digits, and whether values differ is told to the last bit. `new_nan`, `new_inf`: values that are NaN or infinite in
    b only; `lost`: NaN or infinite in a only. `first` is the flat index of the first value that differs, with both.
    """

    name: str
    verdict: Verdict
    compared: int
    detail: str = ""
    different: int = 0
    max_abs: float = 0.0
    rmse: float = 0.0
    cosine: float = 1.0
    new_nan: int = 0
    new_inf: int = 0
    lost: int = 0
    first: tuple[int, float, float] | None = None

    @property
    def equal(self) -> bool:
        """True when every value is equal, bit for bit where both are floats."""
        return self.verdict in {"same bytes", "equal values"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One key of a config, tokenizer or metadata that is not the same on both sides."""

    key: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.a)} became {_short(self.b)}"


class _Sums:
    """Running totals over pieces of two tensors.

    `equal` lists the pieces without a difference whose sums were not taken: only a tensor that differs elsewhere needs
    them, and NumPy takes long.
    """

    def __init__(self) -> None:
        self.equal: list[tuple[int, int]] = []
        self.count = self.different = self.new_nan = self.new_inf = self.lost = self.finite = 0
        self.max_abs = self.square = self.aa = self.bb = self.ab = 0.0
        self.first: tuple[int, float, float] | None = None

    def add(self, a: Tensor, b: Tensor, start: int, stop: int) -> None:
        """Values `start` to `stop` of both."""
        seen = codecs.sums(a, b, start, stop)
        if seen is None:
            self._add_values(codecs.span(a, start, stop), codecs.span(b, start, stop), start)
            return
        self._take_stored(a, b, start, stop, seen)

    def add_at_once(self, a: Tensor, b: Tensor, most: int) -> bool:
        """True when all values of both, which lie in files, have been added, with about `most` of them held at once."""
        seen = codecs.sums_at_once(a, b, most)
        if seen is not None:
            self._take_stored(a, b, 0, a.size, seen)
        return seen is not None

    def _take_stored(self, a: Tensor, b: Tensor, start: int, stop: int, seen: native.Sums) -> None:
        self._take(seen, stop - start)
        if seen.different and self.first is None:
            at = start + seen.first
            self.first = at, float(codecs.span(a, at, at + 1)[0]), float(codecs.span(b, at, at + 1)[0])

    def _add_values(self, a: Values, b: Values, at: int) -> None:
        seen = native.sums(a, b)
        if seen is None:
            self._add_slowly(a, b, at)
            return
        self._take(seen, a.size)
        if seen.different:
            self.first = self.first or (at + seen.first, float(a[seen.first]), float(b[seen.first]))

    def _take(self, seen: native.Sums, count: int) -> None:
        self.count += count
        self.finite += count
        self.different += seen.different
        self.max_abs = max(self.max_abs, seen.most)
        self.square += seen.square
        self.aa += seen.aa
        self.bb += seen.bb
        self.ab += seen.ab

    def _add_slowly(self, a: Values, b: Values, at: int) -> None:
        self.count += a.size
        same = _same(a, b)
        if same.all():
            self.equal.append((at, at + a.size))
            return
        index = int(np.argmin(same))
        self.first = self.first or (at + index, float(a[index]), float(b[index]))
        self.different += int(a.size - np.count_nonzero(same))
        fa, fb = np.isfinite(a), np.isfinite(b)
        self.new_nan += int(np.count_nonzero(np.isnan(b) & ~np.isnan(a)))
        self.new_inf += int(np.count_nonzero(np.isinf(b) & ~np.isinf(a)))
        self.lost += int(np.count_nonzero(~fa & fb))
        self.dots(a, b, fa & fb)

    def dots(self, a: Values, b: Values, mask: NDArray[np.bool_]) -> None:
        """Add the sums behind max_abs, rmse and cosine over the values that `mask` allows."""
        with np.errstate(invalid="ignore"):  # a signalling NaN, which the mask takes out
            x, y = a.astype(np.float64), b.astype(np.float64)
        if not mask.all():
            x, y = np.where(mask, x, 0.0), np.where(mask, y, 0.0)
        self.finite += int(np.count_nonzero(mask))
        gap = y - x
        self.aa += _dot(x, x)
        self.max_abs = max(self.max_abs, float(np.max(np.abs(gap), initial=0.0)))
        self.square += _dot(gap, gap)
        self.bb += _dot(y, y)
        self.ab += _dot(x, y)

    @property
    def cosine(self) -> float:
        norm = sqrt(self.aa) * sqrt(self.bb)
        return max(-1.0, min(1.0, self.ab / norm)) if norm else float(self.aa == self.bb)


def _dot(a: Values, b: Values) -> float:
    """The inner product. Not `a @ b`: BLAS would start threads of its own under each of ours."""
    return float(np.einsum("i,i->", a, b))


def _same(a: Values, b: Values) -> NDArray[np.bool_]:
    if a.dtype == b.dtype and a.dtype.kind == "f":
        bits = np.dtype(f"u{a.itemsize}")
        return np.asarray((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b)))
    return np.asarray(a == b)


def compare_tensors(a: Tensor, b: Tensor, piece: int = 1 << 18) -> Comparison:
    """Compare `b` with `a`: by bytes where the encodings agree, by decoded values otherwise or where bytes differ."""
    if a.shape != b.shape:
        return Comparison(a.name, "shape", 0, f"shape {list(a.shape)} became {list(b.shape)}")
    if a.encoding == b.encoding and _bytes_equal(a, b, piece):
        return Comparison(a.name, "same bytes", a.size)
    if not (codecs.can_decode(a.encoding) and codecs.can_decode(b.encoding)):
        return Comparison(a.name, "kind", 0, f"{a.encoding} and {b.encoding} cannot be compared by value")
    sums = _Sums()
    if not sums.add_at_once(a, b, piece):
        step = max(1, piece // max(1, a.columns)) * a.columns if 0 < a.columns <= piece else piece  # whole rows
        for start in range(0, a.size, step):
            sums.add(a, b, start, min(a.size, start + step))
    if sums.different:
        for start, stop in sums.equal:
            x = codecs.span(a, start, stop)
            sums.dots(x, x, np.isfinite(x))
    detail = "values are equal but bytes are not" if a.encoding == b.encoding and not sums.different else ""
    return Comparison(
        a.name,
        "differs" if sums.different or detail else "equal values",
        sums.count,
        detail,
        sums.different,
        sums.max_abs,
        sqrt(sums.square / max(1, sums.finite)),
        sums.cosine,
        sums.new_nan,
        sums.new_inf,
        sums.lost,
        sums.first,
    )


def differing_values(a: Tensor, b: Tensor, piece: int = 1 << 18) -> Iterator[tuple[int, float, float]]:
    """The values that differ between two tensors of one shape: flat index, a's value, b's value; read in pieces."""
    if a.shape != b.shape or not (codecs.can_decode(a.encoding) and codecs.can_decode(b.encoding)):
        return
    for start in range(0, a.size, piece):
        stop = min(a.size, start + piece)
        x, y = codecs.span(a, start, stop), codecs.span(b, start, stop)
        for index in np.flatnonzero(~_same(x, y)).tolist():
            yield start + index, float(x[index]), float(y[index])


def _bytes_equal(a: Tensor, b: Tensor, piece: int) -> bool:
    x, y = a.in_blocks(), b.in_blocks()
    if x.shape != y.shape:
        x, y = a, b
    seen = codecs.same_bytes(x, y, piece)
    if seen is not None:
        return seen
    return all(_alike(x.rows.read(i, j), y.rows.read(i, j)) for i, j in x.pieces(piece))


def _alike(x: Bytes, y: Bytes) -> bool:
    """Whether two arrays of bytes are equal, eight at a time where that is possible."""
    word = np.uint8 if x.size % 8 else np.uint64
    return np.array_equal(x.reshape(-1).view(word), y.reshape(-1).view(word))


def compare_mappings(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[Difference]:
    """Keys whose values differ, are missing or are new; floats by value, lists by their first difference."""
    out: list[Difference] = []
    for key in [*a, *(k for k in b if k not in a)]:
        x, y = a.get(key), b.get(key)
        name = f"{prefix}{key}"
        if isinstance(x, Mapping) and isinstance(y, Mapping):
            out += compare_mappings(x, y, f"{name}.")
        elif _is_list(x) and _is_list(y):
            out += _compare_lists(name, x, y)
        elif x != y and not (x != x and y != y):  # NaN equals NaN here
            out.append(Difference(name, x, y))
    return out


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _compare_lists(name: str, x: Sequence[Any], y: Sequence[Any]) -> list[Difference]:
    if len(x) != len(y):
        return [Difference(f"{name} (length)", len(x), len(y))]
    for index, (p, q) in enumerate(zip(x, y, strict=True)):
        if p != q and not (p != p and q != q):
            return [Difference(f"{name}[{index}]", p, q)]
    return []


def compare_configs(a: Config, b: Config) -> list[Difference]:
    """Keys of config.json that are not the same."""
    return compare_mappings(a, b, "config.")


def compare_tokenizers(a: Tokenizer | None, b: Tokenizer | None) -> list[Difference]:
    """Fields of the tokenizer that are not the same, a list by its first difference: `merges[412]`."""
    if a is None or b is None:
        return [] if a is b else [Difference("tokenizer", a and a.kind, b and b.kind)]
    of = [{f.name: getattr(t, f.name) for f in fields(Tokenizer)} for t in (a, b)]
    return compare_mappings(of[0], of[1], "tokenizer.")


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
