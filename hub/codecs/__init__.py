"""Blocks to values and back: in NumPy, or by the faster codecs of plugins, which give the same bits.

`decode` and `encode` work on whole rows; `recode` and `shift` give tensors whose rows are computed when they are read.
Everything may be called from many threads at once.
"""

from hub.codecs._choice import ORDER, Used, available, in_use, using
from hub.codecs._reference import reference
from hub.codecs._registry import ENCODABLE, can_decode, can_encode, decode, encodable, encode, transcode
from hub.codecs._rows import Recoded, Shifted, recode, same_bytes, shift, span, sums, sums_at_once, values

__all__ = [
    "ENCODABLE",
    "ORDER",
    "Recoded",
    "Shifted",
    "Used",
    "available",
    "can_decode",
    "can_encode",
    "decode",
    "encodable",
    "encode",
    "in_use",
    "recode",
    "reference",
    "same_bytes",
    "shift",
    "span",
    "sums",
    "sums_at_once",
    "transcode",
    "using",
    "values",
]
