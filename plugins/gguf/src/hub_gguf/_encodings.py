"""Which encoding a tensor has in a GGUF, and the way back to the one it came in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hub import codecs
from hub.errors import DamagedFile
from hub.ir import ENCODINGS, F32, Bytes, Change, Encoding, Rows, Tensor
from hub_gguf.container import TYPE_IDS

# What GGUF has no type for, and the smallest of its types that holds every value.
NEAREST: dict[str, str] = {
    "BOOL": "I8", "U8": "I16", "U16": "I32", "U32": "I64", "U64": "I64",
    "F8_E4M3": "F16", "F8_E5M2": "F16", "F8_E8M0": "F32", "APR_Q4": "F32", "APR_Q8": "F32",
}  # fmt: skip

# Matrices that llama.cpp computes with in F32 only, as its conversion script lists them.
_IN_F32 = (
    "_norm.weight", ".ffn_gate_inp.weight", ".ffn_gate_inp_shexp.weight", ".ssm_conv1d.weight",
    ".shortconv.conv.weight", ".time_mix_first.weight", ".time_mix_w1.weight", ".time_mix_w2.weight",
    ".time_mix_decay_w1.weight", ".time_mix_decay_w2.weight", ".time_mix_lerp_fused.weight",
)  # fmt: skip
_IN_F32_WHOLE = {"position_embd.weight", "token_types.weight"}


def holds(encoding: Encoding, columns: int) -> bool:
    """True when GGUF has a type for `encoding` and rows of `columns` values are whole blocks of it."""
    return encoding.name in TYPE_IDS and columns % encoding.block == 0


def fitted(tensor: Tensor, kept: bool = False) -> tuple[Tensor, str]:
    """`tensor`, by its GGUF name, in an encoding for GGUF, and the reason when that is another one.

    Vectors and norms in half precision become F32, as llama.cpp needs them, unless `kept`. No value changes.
    """
    old = tensor.encoding
    if not holds(old, tensor.columns):
        new = ENCODINGS[NEAREST.get(old.name, "F32")]
        why = f"GGUF has no {old}" if old.name not in TYPE_IDS else f"rows of {tensor.columns} end within a block"
        return codecs.recode(tensor, new), f"{why}; {new} holds its values"
    if not kept and old.name in {"F16", "BF16"} and _needs_f32(tensor):
        return codecs.recode(tensor, F32), f"{old} widened: llama.cpp computes with it in F32"
    return tensor, ""


def _needs_f32(tensor: Tensor) -> bool:
    name = tensor.name
    return len(tensor.shape) < 2 or name.endswith(_IN_F32) or name in _IN_F32_WHOLE


class Narrowed(Rows):
    """Rows in the encoding they had before they were widened; a value that does not fit any more is an error."""

    change = Change.EXACT

    def __init__(self, base: Tensor, encoding: Encoding) -> None:
        self.base, self.encoding = base, encoding
        self.n, columns = encoding.grid(base.shape)
        self.width = encoding.row_nbytes(columns)
        self.change = max(Change.EXACT, base.change)

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        wide = codecs.values(self.base, start, stop)
        narrow = wide.view(np.uint16)[:, 1::2] if self._halves else codecs.encode(self.encoding, wide)
        np.copyto(out, narrow.copy().view(np.uint8) if self._halves else narrow)
        back = codecs.decode(self.encoding, out, self.base.columns)
        if not np.array_equal(back.astype(wide.dtype), wide, equal_nan=wide.dtype.kind == "f"):
            raise DamagedFile(
                f"was written as {self.encoding} and now holds values that need {self.base.encoding}",
                tensor=self.base.name, hint="remove the key hub.tensors to read it as it is",
            )  # fmt: skip

    @property
    def _halves(self) -> bool:
        """BF16 is the upper half of F32: taking it keeps every bit, those of NaN too."""
        return self.encoding.name == "BF16"


def narrowed(tensor: Tensor, encoding: Encoding) -> Tensor:
    """`tensor` back in `encoding`, which it was widened from; checked piece by piece as it is read."""
    return replace(tensor, encoding=encoding, rows=Narrowed(tensor, encoding))
