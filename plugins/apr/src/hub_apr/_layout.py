"""How each tensor lies in an APR file: in its own encoding, widened, re-encoded, or carried as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hub.codecs import Recoded, can_decode, recode
from hub.errors import DamagedFile
from hub.ir import ENCODINGS, F32, U8, Change, Encoding, Index, Rows, Tensor, Transposed
from hub_apr.container import BY_ENCODING, DIMS_LIMIT, NAME_LIMIT

_WIDENED = {"F16", "BF16"}
_TURNED = "^T"

WIDENED = "apr reads norms and biases as F32"
CARRIED = "carried byte for byte; apr lists it and does not compute with it"


def fits(tensor: Tensor) -> bool:
    """True when an index entry can name the tensor."""
    try:
        return len(tensor.name.encode()) <= NAME_LIMIT
    except UnicodeEncodeError:
        return False


def lay(tensor: Tensor, *, portable: bool) -> tuple[Tensor, str]:
    """The tensor as it is written, and why its bytes or its dtype change (empty when they do not).

    Vectors in F16 or BF16 become F32. What the format has no dtype for is carried as U8 [rows, bytes per row], or
    with `portable` decoded to F32, which holds every value of a block encoding.
    """
    name = tensor.encoding.name
    if len(tensor.shape) == 1 and name in _WIDENED:
        return recode(tensor, F32), WIDENED
    blocks = None if portable else turned_blocks(tensor)
    if blocks is not None:
        rows = Tensor(tensor.name, (blocks.rows.n, blocks.rows.width), U8, blocks.rows)
        return rows, f"its transpose was {blocks.encoding}: {CARRIED}"
    why = _obstacle(tensor)
    if not why:
        return tensor, ""
    decodes = tensor.encoding.kind in {"block", "float"} and can_decode(tensor.encoding)
    if portable and decodes and len(tensor.shape) <= DIMS_LIMIT:
        return recode(tensor, F32), f"--portable: {why}, F32 holds the same values"
    return Tensor(tensor.name, (tensor.rows.n, tensor.rows.width), U8, tensor.rows), f"{why}: {CARRIED}"


def recoded_by_portable(tensor: Tensor) -> bool:
    """True when `portable` makes a difference to how the tensor is written."""
    return lay(tensor, portable=True)[1] != lay(tensor, portable=False)[1]


def turned_blocks(tensor: Tensor) -> Tensor | None:
    """The matrix in blocks whose transpose, decoded, `tensor` is (a GGUF's GPT-2 has them); None for any other."""
    rows = tensor.rows
    decoded = rows.base if isinstance(rows, Transposed) else None
    if isinstance(decoded, Recoded) and decoded.widened and decoded.base.encoding.quantized:
        return decoded.base
    return None


def _obstacle(tensor: Tensor) -> str:
    """Why the index cannot say the tensor's encoding and shape; empty when it can."""
    if tensor.encoding.name not in BY_ENCODING:
        return f"APR has no {tensor.encoding}"
    if len(tensor.shape) > DIMS_LIMIT:
        return f"APR has at most {DIMS_LIMIT} dimensions"
    return "APR readers differ on where its rows start" if _ambiguous(tensor) else ""


def _ambiguous(tensor: Tensor) -> bool:
    """True for blocks that end inside a row of a tensor that is no matrix: readers differ on where rows start."""
    block = tensor.encoding.block
    return not tensor.encoding.flat and block > 1 and tensor.columns % block != 0 and len(tensor.shape) > 2


def recorded(tensor: Tensor, laid: Tensor) -> bool:
    """True when the index does not say the tensor's encoding and shape, and the tensor can be restored from it."""
    if (tensor.encoding, tensor.shape) == (laid.encoding, laid.shape):
        return False
    return laid.encoding == U8 or tensor.encoding.name in _WIDENED


def encodings_block(pairs: Mapping[str, Tensor]) -> dict[str, dict[str, list[int]]]:
    """The `hub.encodings` block: by encoding, the shape of each tensor that the index says otherwise.

    An encoding that ends in "^T" is that of the transpose, and so is the shape.
    """
    out: dict[str, dict[str, list[int]]] = {}
    for name, tensor in pairs.items():
        blocks = turned_blocks(tensor)
        kind = tensor.encoding.name if blocks is None else blocks.encoding.name + _TURNED
        out.setdefault(kind, {})[name] = list((blocks or tensor).shape)
    return out


@dataclass(frozen=True, slots=True)
class Layout:
    """What `hub.encodings` says of a tensor: encoding and shape of what is stored, and whether it is the transpose."""

    encoding: Encoding
    shape: tuple[int, ...]
    turned: bool = False


def parse_encodings(block: Any, file: Path) -> dict[str, Layout]:
    """What `encodings_block` made, by tensor; `DamagedFile` when it is something else."""
    out: dict[str, Layout] = {}
    for kind, shapes in block.items() if isinstance(block, dict) else [("", block)]:
        encoding = ENCODINGS.get(kind.removesuffix(_TURNED))
        if encoding is None or not isinstance(shapes, dict):
            raise DamagedFile(f"metadata 'hub.encodings' names an encoding {kind!r} that is unknown", file=file)
        for name, shape in shapes.items():
            if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
                raise DamagedFile(f"metadata 'hub.encodings' has no shape but {shape!r}", file=file, tensor=name)
            out[name] = Layout(encoding, tuple(shape), kind.endswith(_TURNED))
    return out


def restore(stored: Tensor, layout: Layout, file: Path) -> Tensor:
    """The tensor that `lay` was given, from what the file holds; `DamagedFile` when the two do not fit."""
    if not layout.turned:
        return _restored(stored, layout.encoding, layout.shape, file)
    if len(layout.shape) != 2 or stored.encoding != U8 or not can_decode(layout.encoding):
        raise DamagedFile("metadata 'hub.encodings' turns what is no matrix in blocks", file=file, tensor=stored.name)
    return recode(_restored(stored, layout.encoding, layout.shape, file), F32).transposed()


def _restored(stored: Tensor, encoding: Encoding, shape: tuple[int, ...], file: Path) -> Tensor:
    if stored.encoding == U8:
        if stored.nbytes != encoding.size(shape):
            raise DamagedFile(
                f"shape {list(shape)} in {encoding} takes {encoding.size(shape)} bytes, {stored.nbytes} are carried",
                file=file,
                tensor=stored.name,
            )
        n, columns = encoding.grid(shape)
        width = encoding.row_nbytes(columns)
        if stored.nbytes and (n, width) != (stored.rows.n, stored.rows.width):
            raise DamagedFile(
                f"carried rows of {stored.rows.width} bytes, {width} expected", file=file, tensor=stored.name
            )
        return Tensor(stored.name, shape, encoding, stored.rows)
    if stored.shape != shape or stored.encoding != F32 or encoding.name not in _WIDENED:
        raise DamagedFile(
            f"{stored.encoding} of shape {list(stored.shape)} cannot stand for {encoding} of {list(shape)}",
            file=file,
            tensor=stored.name,
        )
    return Tensor(stored.name, shape, encoding, Narrowed(stored, encoding))


class Narrowed(Recoded):
    """Values that were widened, back in the narrow encoding they came from: nothing is lost."""

    def __init__(self, base: Tensor, encoding: Encoding) -> None:
        super().__init__(base, encoding)
        self.change = max(Change.EXACT, base.change)

    def take(self, index: Index) -> Rows:
        rows = self.base.rows.take(np.asarray(index))
        return Narrowed(Tensor(self.base.name, (len(index), self.columns), self.base.encoding, rows), self.encoding)
