from __future__ import annotations

import numpy as np
import pytest

from hub import codecs
from hub.errors import DamagedFile
from hub.ir import BF16, ENCODINGS, F16, F32, Change, Tensor
from hub_gguf._encodings import NEAREST, fitted, holds, narrowed
from hub_gguf.container import TYPE_IDS


def of(name: str, shape: tuple[int, ...], encoding: str) -> Tensor:
    kind = ENCODINGS[encoding]
    return Tensor.from_bytes(name, shape, kind, bytes(kind.size(shape)))


def test_every_encoding_has_a_place_or_a_nearest_one() -> None:
    assert set(NEAREST.values()) <= set(TYPE_IDS)
    assert set(ENCODINGS) - set(TYPE_IDS) - set(NEAREST) == {"C64"}


@pytest.mark.parametrize(
    ("name", "shape", "old", "new"),
    [
        ("output_norm.weight", (32,), "BF16", "F32"),
        ("blk.0.attn_q.bias", (32,), "F16", "F32"),
        ("blk.0.attn_q_norm.weight", (2, 32), "BF16", "F32"),
        ("blk.0.ffn_gate_inp.weight", (4, 32), "BF16", "F32"),
        ("position_embd.weight", (4, 32), "F16", "F32"),
        ("token_types.weight", (2, 32), "F16", "F32"),
        ("blk.0.attn_q.weight", (4, 32), "BF16", "BF16"),
        ("blk.0.ffn_gate_exps.weight", (2, 4, 32), "Q4_0", "Q4_0"),
        ("output_norm.weight", (32,), "F64", "F64"),
        ("rows.weight", (4, 8), "Q4_0", "F32"),
        ("counts", (8,), "U8", "I16"),
        ("flags", (8,), "BOOL", "I8"),
        ("weight", (4, 8), "F8_E4M3", "F16"),
        ("weight", (4, 32), "APR_Q4", "F32"),
    ],
)
def test_tensors_get_what_llama_cpp_takes(name: str, shape: tuple[int, ...], old: str, new: str) -> None:
    made, reason = fitted(of(name, shape, old))
    assert made.encoding.name == new
    assert bool(reason) == (old != new)
    assert made.change is (Change.SAME if old == new else Change.EXACT)
    assert holds(made.encoding, shape[-1])


def test_a_vector_that_the_file_had_in_half_precision_is_kept() -> None:
    assert fitted(of("output_norm.weight", (32,), "BF16"), kept=True)[0].encoding is BF16


@pytest.mark.parametrize("name", ["F16", "BF16", "U8", "U16", "U32", "BOOL", "F8_E4M3", "F8_E5M2"])
def test_narrowing_gives_every_bit_back(name: str) -> None:
    encoding = ENCODINGS[name]
    n = 2 if name == "BOOL" else min(1 << 16, 1 << 8 * encoding.nbytes)
    data = np.arange(n, dtype=f"u{encoding.nbytes}")
    if encoding.kind == "float":  # a NaN has many spellings, and only BF16's survive every machine's arithmetic
        values = codecs.decode(encoding, data.view(np.uint8).reshape(1, -1), n)
        data = data if name == "BF16" else data[~np.isnan(values[0])]
    tensor = Tensor.from_bytes("t", data.shape, encoding, data.tobytes())
    wide = codecs.recode(tensor, F32 if name == "BF16" else ENCODINGS.get(NEAREST.get(name, "F32"), F32))
    stored = Tensor.from_bytes("t", wide.shape, wide.encoding, wide.read())
    assert narrowed(stored, encoding).read() == tensor.read()


@pytest.mark.parametrize("value", [0.1, 1e-30, 65520.0])
def test_a_value_that_needs_more_bits_is_an_error(value: float) -> None:
    tensor = Tensor.from_bytes("t", (4,), F32, np.array([1, 2, value, 3], np.float32).tobytes())
    with pytest.raises(DamagedFile, match="tensor 't': was written as F16 and now holds values that need F32"):
        narrowed(tensor, F16).read()
