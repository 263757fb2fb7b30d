"""Tensors of files for big-endian machines, with their numbers turned round.

Which bytes of a block are numbers is what the `gguf` package's own converter knows (gguf_convert_endian.py). The other
block encodings exist in no defined form there and are refused.
"""

from __future__ import annotations

from hub.errors import UnsupportedFile
from hub.ir import Bytes, Change, Rows, Tensor

# The numbers in a block as (first byte, bytes).
_NUMBERS: dict[str, tuple[tuple[int, int], ...]] = {
    "F64": ((0, 8),), "F32": ((0, 4),), "F16": ((0, 2),), "BF16": ((0, 2),),
    "I8": (), "I16": ((0, 2),), "I32": ((0, 4),), "I64": ((0, 8),),
    "Q4_0": ((0, 2),), "Q8_0": ((0, 2),), "Q4_K": ((0, 2), (2, 2)), "Q6_K": ((208, 2),), "MXFP4": (), "NVFP4": (),
}  # fmt: skip


class Swapped(Rows):
    """The rows of `base` with the bytes of every number in reverse."""

    change = Change.MOVED

    def __init__(self, base: Tensor) -> None:
        self.base, self.block, self.numbers = base.rows, base.encoding.nbytes, _NUMBERS[base.encoding.name]
        self.n, self.width = base.rows.n, base.rows.width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        self.base.fill(start, stop, out)
        blocks = out.reshape(-1, self.block)
        for first, nbytes in self.numbers:
            blocks[:, first : first + nbytes] = blocks[:, first : first + nbytes][:, ::-1].copy()


def swapped(tensor: Tensor) -> Tensor:
    """A big-endian tensor as the rest of the world stores it; `UnsupportedFile` names one that has no defined form."""
    if tensor.encoding.name not in _NUMBERS:
        raise UnsupportedFile(
            f"{tensor.encoding} in a file for big-endian machines has no defined layout", tensor=tensor.name,
            hint="make the file again for little-endian machines",
        )  # fmt: skip
    return Tensor(tensor.name, tensor.shape, tensor.encoding, Swapped(tensor))
