"""Blocks to values and back, in NumPy.

`decode` and `encode` work on whole rows; `recode` and `shift` give tensors whose rows are computed when they are read.
Everything may be called from many threads at once.
"""

from hub.codecs._registry import ENCODABLE, can_decode, can_encode, decode, encode
from hub.codecs._rows import Recoded, Shifted, recode, shift, span, values

__all__ = [
    "ENCODABLE",
    "Recoded",
    "Shifted",
    "can_decode",
    "can_encode",
    "decode",
    "encode",
    "recode",
    "shift",
    "span",
    "values",
]
