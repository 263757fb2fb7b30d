"""Importance matrices as llama.cpp's `llama-imatrix` writes them: how much each column of a matrix counts.

There are two forms. A GGUF with `NAME.in_sum2` (sums of squared activations, one row of columns for each expert) and
`NAME.counts`; and before that a file of its own: a count of entries, each with the length of its name, the name, the
number of calls, the number of values and the values; all numbers are little-endian int32 or float32. Source:
`common_imatrix_load` (imatrix-loader.cpp) and `load_imatrix` (quantize.cpp).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub import codecs
from hub.errors import DamagedFile, UsageError
from hub.ir import Model, Tensor
from hub.recipes._names import gguf_parts

Values: TypeAlias = NDArray[np.float32]

WEIGHED = frozenset({
    "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS",
    "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS",
})  # fmt: skip
"""Encodings whose quantizers look at an importance; the others give the same blocks with and without."""

_MAGIC = b"GGUF"
_LONGEST_NAME = 4096
_SUMS, _COUNTS = ".in_sum2", ".counts"


@dataclass(frozen=True)
class Importance:
    """An importance matrix: float32 values by GGUF's tensor names, those of all experts one after the other."""

    path: Path
    values: Mapping[str, Values]

    def of(self, model: Model) -> dict[str, Values]:
        """The values for each tensor of `model` that has some, float32 [columns], by canonical name.

        `UsageError` where a matrix has another number of columns: the file is another model's.
        """
        found = {}
        for name, (known, at, of) in gguf_parts(model).items():
            values, tensor = self.values.get(known), model.tensors[name]
            if values is None or tensor.encoding.kind not in {"float", "block"} or len(tensor.shape) < 2:
                continue
            columns, rest = divmod(len(values), of)
            turned = tensor.shape[0] if columns != tensor.shape[-1] else columns
            if rest or columns not in {tensor.shape[-1], turned}:
                raise UsageError(
                    f"--imatrix: {len(values)} values for {known}, {of * tensor.shape[-1]} were expected",
                    file=self.path, tensor=name, hint="the file was made for another model",
                )  # fmt: skip
            found[name] = values[at * columns : (at + 1) * columns]
        return found


def read_importance(path: Path) -> Importance:
    """The importance matrix in the file at `path`, of either form.

    `DamagedFile` when it is cut, inconsistent or holds what is no finite number.
    """
    if not path.is_file():
        raise UsageError("--imatrix: no such file", file=path)
    with path.open("rb") as file:
        new = file.read(4) == _MAGIC
    values = dict(_read_gguf(path) if new else _read_old(path))
    if not values:
        raise DamagedFile("the importance matrix has no entry", file=path)
    for name, numbers in values.items():
        if not np.isfinite(numbers).all():
            raise DamagedFile("the importance matrix holds what is no finite number", file=path, tensor=name)
    return Importance(path, values)


def _read_gguf(path: Path) -> Iterator[tuple[str, Values]]:
    from hub.plugins import registry

    tensors = registry().named("gguf").read(path).tensors
    for name, sums in tensors.items():
        if not name.endswith(_SUMS):
            if not name.endswith(_COUNTS) or name.removesuffix(_COUNTS) + _SUMS not in tensors:
                raise DamagedFile("no tensor of an importance matrix", file=path, tensor=name)
            continue
        known = name.removesuffix(_SUMS)
        yield known, _mean(path, sums, tensors.get(known + _COUNTS))


def _mean(path: Path, sums: Tensor, counts: Tensor | None) -> Values:
    """Sums over counts, for each expert; 1 where nothing was counted."""
    if counts is None or {sums.encoding.name, counts.encoding.name} != {"F32"}:
        raise DamagedFile("float32 sums and float32 counts belong together", file=path, tensor=sums.name)
    if not counts.size or sums.size % counts.size:
        raise DamagedFile(f"{sums.size} sums for {counts.size} counts", file=path, tensor=sums.name)
    total = codecs.span(sums, 0, sums.size).reshape(counts.size, -1)
    times = codecs.span(counts, 0, counts.size)
    if not np.isfinite(times).all():
        raise DamagedFile("a count is no finite number", file=path, tensor=counts.name)
    number = (np.sign(times) * np.floor(np.abs(times) + 0.5)).astype(np.float32)[:, None]  # as lround does
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / number
    return np.where(number > 0, mean, np.float32(1)).astype(np.float32).reshape(-1)


def _read_old(path: Path) -> Iterator[tuple[str, Values]]:
    data = path.read_bytes() if path.stat().st_size < 1 << 32 else b""
    entries, at = _integer(path, data, 0, "number of entries", len(data) // 12), 4
    seen: set[str] = set()
    for _ in range(entries):
        length = _integer(path, data, at, "length of a name", min(_LONGEST_NAME, len(data) - at))
        name = data[at + 4 : at + 4 + length].decode(errors="replace")
        at += 4 + length
        calls = _integer(path, data, at, "number of calls", (1 << 31) - 1, least=0)
        count = _integer(path, data, at + 4, f"number of values of {name}", (len(data) - at - 8) // 4)
        at += 8
        if name in seen:
            raise DamagedFile("two entries have one name", file=path, offset=at, tensor=name)
        seen.add(name)
        values = np.frombuffer(data, "<f4", count, at).astype(np.float32)
        at += 4 * count
        yield name, values / np.float32(calls) if calls > 0 else values


def _integer(path: Path, data: bytes, at: int, what: str, most: int, least: int = 1) -> int:
    """The int32 at `at`, from `least` to `most`; `DamagedFile` otherwise."""
    if at + 4 > len(data):
        raise DamagedFile(f"the file ends before the {what}", file=path, offset=len(data))
    number = int(struct.unpack_from("<i", data, at)[0])
    if not least <= number <= most:
        hint = "it must be an importance matrix of llama-imatrix"
        raise DamagedFile(f"{what}: {number} was found, {least} to {most} expected", file=path, offset=at, hint=hint)
    return number
