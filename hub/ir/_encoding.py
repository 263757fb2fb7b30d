"""How the values of a tensor lie in bytes.

Block lengths and bytes per block of the GGML types are those of ggml's `ggml_type_traits` (ggml.c); of the SafeTensors
types those of its format page; of the APR types those of the aprender container.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Kind = Literal["float", "int", "uint", "bool", "block", "opaque"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """One way to lay values in bytes: `block` consecutive values of a row take `nbytes` bytes.

    A row is the last dimension. A row that is not a multiple of `block` ends in a padded block. `flat` encodings
    ignore rows: the whole tensor is one run of values, after a `header` of that many bytes.
    """

    name: str
    block: int
    nbytes: int
    kind: Kind
    header: int = 0
    flat: bool = False

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and values per row that `shape` is stored as."""
        if self.flat:
            return 1, prod(shape)
        return (prod(shape[:-1]), shape[-1]) if shape else (1, 1)

    def row_nbytes(self, columns: int) -> int:
        """Bytes of one stored row of `columns` values."""
        return self.header * (columns > 0) + -(-columns // self.block) * self.nbytes

    def size(self, shape: tuple[int, ...]) -> int:
        """Bytes of a whole tensor of `shape`."""
        rows, columns = self.grid(shape)
        return rows * self.row_nbytes(columns)

    @property
    def quantized(self) -> bool:
        """True for encodings whose values share scales."""
        return self.kind == "block"

    @property
    def bits(self) -> float:
        """Bits per value, scales included."""
        return 8 * self.nbytes / self.block

    def __str__(self) -> str:
        return self.name


_PLAIN: dict[str, tuple[int, Kind]] = {
    "F64": (8, "float"), "F32": (4, "float"), "F16": (2, "float"), "BF16": (2, "float"),
    "F8_E4M3": (1, "float"), "F8_E5M2": (1, "float"), "F8_E8M0": (1, "float"), "C64": (8, "opaque"),
    "I8": (1, "int"), "I16": (2, "int"), "I32": (4, "int"), "I64": (8, "int"),
    "U8": (1, "uint"), "U16": (2, "uint"), "U32": (4, "uint"), "U64": (8, "uint"), "BOOL": (1, "bool"),
}  # fmt: skip

# name: (values per block, bytes per block)
_BLOCK: dict[str, tuple[int, int]] = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 36),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "Q8_K": (256, 292),
    "IQ1_S": (256, 50), "IQ1_M": (256, 56), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ2_S": (256, 82),
    "IQ3_XXS": (256, 98), "IQ3_S": (256, 110), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136),
    "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36),
    "Q1_0": (128, 18), "Q2_0": (64, 18),
}  # fmt: skip

ENCODINGS: dict[str, Encoding] = (
    {name: Encoding(name, 1, size, kind) for name, (size, kind) in _PLAIN.items()}
    | {name: Encoding(name, block, size, "block") for name, (block, size) in _BLOCK.items()}
    | {
        "APR_Q4": Encoding("APR_Q4", 32, 18, "block", flat=True),
        "APR_Q8": Encoding("APR_Q8", 1, 1, "block", header=4, flat=True),
    }
)

F32, F16, BF16, U8 = (ENCODINGS[name] for name in ("F32", "F16", "BF16", "U8"))

# Every value of the first is a value of the second, bit patterns of NaN aside.
_WIDER = {
    "BF16": {"F32", "F64"}, "F16": {"F32", "F64"}, "F32": {"F64"},
    "F8_E4M3": {"F16", "BF16", "F32", "F64"}, "F8_E5M2": {"F16", "BF16", "F32", "F64"}, "F8_E8M0": {"F32", "F64"},
    "BOOL": {"I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F32", "F64"},
    "I8": {"I16", "I32", "I64", "F32", "F64"}, "I16": {"I32", "I64", "F32", "F64"}, "I32": {"I64", "F64"},
    "U8": {"I16", "I32", "I64", "U16", "U32", "U64", "F32", "F64"}, "U16": {"I32", "I64", "U32", "U64", "F32", "F64"},
    "U32": {"I64", "U64", "F64"},
}  # fmt: skip


def widens(old: Encoding, new: Encoding) -> bool:
    """True when decoding `old` into `new` keeps every value: widening, or blocks into F32.

    Blocks decode to F32 by definition (ggml's `to_float`), so F32 holds exactly what they mean.
    """
    if old.quantized:
        return new.name in {"F32", "F64"}
    return old == new or new.name in _WIDER.get(old.name, ())
