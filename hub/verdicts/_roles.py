"""What a tensor is for, by its name: what is healthy in one would be damage in another."""

from __future__ import annotations

import re
from enum import StrEnum

from hub.ir import Tensor
from hub.verdicts._embedding import has_token_rows


class Role(StrEnum):
    """The roles that the content checks tell apart."""

    BIAS = "bias"
    NORM = "norm"
    TOKENS = "token rows"
    TABLE = "lookup table"
    INTEGER = "integers"
    VECTOR = "vector"
    WEIGHT = "weight"


# Embeddings of positions and segments: rows that are never looked up may stay zero.
_TABLE = re.compile(r"(^|\.)(wpe|position_embd|token_types|[a-z_]*(position|token_type)_embeddings?)\.weight$")
_NORM = re.compile(r"(norm\w*|(^|[._])ln(_\w{1,5})?)(\.\d+)?\.weight$", re.IGNORECASE)


def role(tensor: Tensor) -> Role:
    """The role of `tensor`."""
    if tensor.encoding.kind in {"int", "uint", "bool", "opaque"}:
        return Role.INTEGER
    if tensor.name.endswith(("bias", ".beta")):
        return Role.BIAS
    if has_token_rows(tensor.name):
        return Role.TOKENS
    if _TABLE.search(tensor.name):
        return Role.TABLE
    if len([n for n in tensor.shape if n > 1]) < 2:
        return Role.NORM if _NORM.search(tensor.name) or tensor.name.endswith(".gamma") else Role.VECTOR
    return Role.WEIGHT
