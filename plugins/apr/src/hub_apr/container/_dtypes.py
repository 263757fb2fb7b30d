"""Dtype bytes of the APR v2 tensor index, and the encodings they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from hub.ir import ENCODINGS, Encoding


@dataclass(frozen=True, slots=True)
class Dtype:
    """One dtype: its byte in the index, the name tools show, and the hub's encoding.

    `runs` is True when the inference loader computes with it; it takes some of the others for GGML types.
    """

    id: int
    name: str
    encoding: Encoding
    runs: bool


def _dtype(number: int, name: str, encoding: str, runs: bool) -> Dtype:
    return Dtype(number, name, ENCODINGS[encoding], runs)


DTYPES: tuple[Dtype, ...] = (
    _dtype(0, "f32", "F32", True),
    _dtype(1, "f16", "F16", True),
    _dtype(3, "f64", "F64", False),
    _dtype(4, "i32", "I32", False),
    _dtype(5, "i64", "I64", False),
    _dtype(6, "i8", "I8", False),
    _dtype(7, "u8", "U8", False),
    _dtype(12, "q4_k", "Q4_K", True),
    _dtype(14, "q6_k", "Q6_K", True),
    _dtype(30, "bf16", "BF16", True),
    _dtype(128, "q4", "APR_Q4", True),
    _dtype(129, "q8", "APR_Q8", True),
)

BY_ENCODING: dict[str, Dtype] = {d.encoding.name: d for d in DTYPES}
BY_NAME: dict[str, Dtype] = {d.name: d for d in DTYPES}

# 8 and 9 are what files before mid 2026 call 128 and 129.
CURRENT: dict[int, Dtype] = {d.id: d for d in DTYPES} | {8: BY_NAME["q4"], 9: BY_NAME["q8"]}

# Files under the first magic, `APR2`, have BF16 as 2.
FIRST: dict[int, Dtype] = CURRENT | {2: BY_NAME["bf16"]}

# What realizar's old GGUF converter writes: GGML's own type numbers (ggml.h, enum ggml_type).
_GGML = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K",
         12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 30: "BF16"}  # fmt: skip
GGML: dict[int, Dtype] = {n: Dtype(n, name.lower(), ENCODINGS[name], False) for n, name in _GGML.items()}

# Bytes that other readers or older writers knew, for the message that refuses them.
REFUSED: dict[int, str] = {2: "BF16 of early 2026, or GGML Q4_0", 10: "GGML Q2_K", 11: "GGML Q3_K", 13: "GGML Q5_K",
                           16: "GGML IQ2_XXS", 17: "GGML IQ2_XS"}  # fmt: skip
