from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hub import codecs
from hub.ir import BF16, ENCODINGS, F16, F32, Config, Tensor, Tokenizer
from hub.pipeline.compare import compare_configs, compare_mappings, compare_tensors, compare_tokenizers

Array = np.ndarray[Any, Any]


def f32(values: Array, shape: tuple[int, ...] | None = None) -> Tensor:
    array = np.ascontiguousarray(values, np.float32)
    return Tensor.from_bytes("t", shape or array.shape, F32, array.tobytes())


@pytest.fixture
def values() -> Array:
    return np.random.default_rng(7).normal(size=(40, 33)).astype(np.float32)


def test_equal_bytes_are_the_same_bytes(values: Array) -> None:
    seen = compare_tensors(f32(values), f32(values.copy()))
    assert (seen.verdict, seen.compared, seen.equal) == ("same bytes", values.size, True)


def test_the_same_values_in_a_wider_encoding_are_equal(values: Array) -> None:
    half = values.astype(np.float16)
    narrow = Tensor.from_bytes("t", values.shape, F16, half.tobytes())
    assert compare_tensors(narrow, f32(half.astype(np.float32))).verdict == "equal values"


@pytest.mark.parametrize("bit", [0, 12, 30, 31])
def test_one_flipped_bit_is_found_and_placed(values: Array, bit: int) -> None:
    damaged = values.copy()
    damaged.reshape(-1).view(np.uint32)[777] ^= np.uint32(1 << bit)
    seen = compare_tensors(f32(values), f32(damaged), piece=100)
    assert not seen.equal
    assert seen.different == 1
    assert seen.first is not None
    assert seen.first[0] == 777
    assert seen.max_abs == abs(float(damaged.reshape(-1)[777]) - float(values.reshape(-1)[777]))


def test_figures_are_numpys(values: Array) -> None:
    other = values * np.float32(1.01)
    other[5:9] = values[5:9]
    seen = compare_tensors(f32(values), f32(other), piece=33 * 4)
    x, y = values.astype(np.float64).reshape(-1), other.astype(np.float64).reshape(-1)
    assert seen.max_abs == np.abs(y - x).max()
    assert seen.rmse == pytest.approx(float(np.sqrt(np.mean((y - x) ** 2))), rel=1e-12)
    assert seen.cosine == pytest.approx(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)), rel=1e-12)


def test_a_nan_or_inf_that_appears_or_vanishes_is_counted(values: Array) -> None:
    source, result = values.copy(), values.copy()
    source[0, 0], result[0, 0] = np.nan, np.nan
    result[1, 1], result[2, 2], source[3, 3] = np.nan, np.inf, np.inf
    seen = compare_tensors(f32(source), f32(result))
    assert (seen.new_nan, seen.new_inf, seen.lost, seen.different) == (1, 1, 1, 3)


def test_all_nan_is_not_called_equal_to_numbers(values: Array) -> None:
    assert not compare_tensors(f32(values), f32(np.full_like(values, np.nan))).equal


def test_minus_zero_is_not_zero_when_both_are_float32() -> None:
    assert not compare_tensors(f32(np.zeros(4)), f32(-np.zeros(4))).equal


def test_shapes_must_agree_even_when_the_bytes_do(values: Array) -> None:
    seen = compare_tensors(f32(values), f32(values, (33, 40)))
    assert (seen.verdict, seen.compared) == ("shape", 0)


def test_integers_and_halves_compare_by_value() -> None:
    ints = np.arange(6, dtype=np.int64)
    a = Tensor.from_bytes("t", (6,), ENCODINGS["I64"], ints.tobytes())
    assert compare_tensors(a, f32(ints.astype(np.float32))).equal
    bits = (np.arange(6, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    assert compare_tensors(f32(np.arange(6)), Tensor.from_bytes("t", (6,), BF16, bits.tobytes())).equal


def test_one_changed_merge_is_named_with_its_index() -> None:
    merges = [f"a b{i}" for i in range(500)]
    a = Tokenizer("bpe", ["x"], merges=merges)
    b = Tokenizer("bpe", ["x"], merges=[*merges[:412], "a c", *merges[413:]])
    assert [str(d) for d in compare_tokenizers(a, b)] == ["tokenizer.merges[412]: 'a b412' became 'a c'"]
    assert compare_tokenizers(a, None)
    assert compare_tokenizers(None, None) == []


def test_config_keys_are_compared_both_ways_and_deeply() -> None:
    a = Config({"hidden_size": 8, "rope_scaling": {"factor": 8.0, "type": "linear"}, "gone": 1})
    b = Config({"hidden_size": 8, "rope_scaling": {"factor": 4.0, "type": "linear"}, "new": True})
    assert [d.key for d in compare_configs(a, b)] == ["config.rope_scaling.factor", "config.gone", "config.new"]
    assert compare_mappings({"x": float("nan")}, {"x": float("nan")}) == []


@pytest.mark.parametrize("shape", [(6, 256), (1536,), (2, 3, 256), (1, 1536), (1536, 1)])
@pytest.mark.parametrize("piece", [1, 200, 256, 300, 1 << 18])
def test_stored_blocks_and_their_values_are_equal_in_every_walk(shape: tuple[int, ...], piece: int) -> None:
    values = np.random.default_rng(5).normal(size=1536).astype(np.float32)
    encoding = ENCODINGS["Q4_1" if shape[-1] % 32 == 0 else "F16"]
    blocks = codecs.encode(encoding, values.reshape(-1, shape[-1]))
    plain = codecs.decode(encoding, blocks, shape[-1])
    a = Tensor.from_bytes("t", shape, encoding, blocks.tobytes())
    assert compare_tensors(a, f32(plain, shape), piece).verdict == "equal values"
    plain.reshape(-1)[1000] *= np.float32(1.5)
    seen = compare_tensors(a, f32(plain, shape), piece)
    assert (seen.verdict, seen.different, seen.compared) == ("differs", 1, 1536)
    assert seen.first is not None
    assert seen.first[0] == 1000
    x, y = codecs.decode(encoding, blocks, shape[-1]).reshape(-1).astype(np.float64), plain.reshape(-1)
    assert seen.max_abs == abs(x[1000] - y[1000])
    assert seen.cosine == pytest.approx(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)), rel=1e-7)
