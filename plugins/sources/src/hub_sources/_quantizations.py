"""Quantizations in file names, as those who publish GGUF files write them."""

from __future__ import annotations

import re

# q4_k_m, Q8_0, IQ4_XS, UD-Q4_K_XL, TQ1_0, MXFP4_MOE, BF16, fp16, between the separators of names.
_NAMED = re.compile(
    r"(?<![a-z0-9])((?:ud-)?i?q\d(?:_(?:k|[01]|nl|xxs|xs|s|m|l|xl|4|8))*|tq\d_0|mxfp4(?:_moe)?|bf16|fp?16|fp?32)(?![a-z0-9])"
)
USUAL = "q4_k_m"
"""What is taken where nothing is said: the mixture that most programs take, small and close to the original."""


def quantizations(name: str) -> list[str]:
    """The quantizations named in a path, as `normal` writes them, in order."""
    return [normal(found) for found in _NAMED.findall(name.lower())]


def normal(quantization: str) -> str:
    """One spelling for each: lower case, with underscores; fp16 is f16."""
    text = quantization.lower().replace("-", "_")
    return re.sub(r"^fp(16|32)$", r"f\1", text)
