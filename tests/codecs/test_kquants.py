"""K-quants and IQ4 types are encoded to libggml's bytes.

`kquants.json` holds SHA-256 digests of what libggml makes of the values below, by encoding and kind of values. The
values come from uniform numbers by exact or correctly rounded operations, so they are the same on every machine.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import decode, encode
from hub.ir import ENCODINGS, Bytes, Encoding

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

GOLDEN: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "kquants.json").read_text())
SHAPE = (12, 1024)


def _kinds(seed: int) -> dict[str, Doubles]:
    generator = np.random.default_rng(seed)
    uniform = 2 * generator.random(SHAPE) - 1
    bell = sum((generator.random(SHAPE) - 0.5 for _ in range(12)), np.zeros(SHAPE))
    rare = generator.random(SHAPE) < 0.05
    powers = np.ldexp(1.0, generator.integers(-40, 40, (SHAPE[0], SHAPE[1] // 16)))
    return {
        "normal": bell * 0.02,
        "heavy tails": uniform * uniform * uniform * bell,
        "uniform": uniform,
        "positive": uniform + 1,
        "negative": uniform - 2,
        "sparse": bell * rare,
        "constant": np.full(SHAPE, 0.37),
        "negative constant": np.full(SHAPE, -0.37),
        "zeros": np.zeros(SHAPE),
        "steps": np.repeat(bell[:, ::16], 16, axis=1),
        "whole": np.floor(uniform * 8),
        "mixed scales": bell * np.repeat(powers, 16, axis=1),
        "tiny": np.ldexp(bell, -60),
        "subnormal": np.ldexp(bell, -140),
        "huge": np.ldexp(bell, 110),
    }


def _values(kind: str) -> Floats:
    return np.concatenate([_kinds(seed)[kind] for seed in range(3)]).astype(np.float32)


def _digest(raw: Bytes) -> str:
    return hashlib.sha256(raw.tobytes()).hexdigest()


@pytest.mark.parametrize("kind", _kinds(0))
@pytest.mark.parametrize("name", GOLDEN)
def test_libggml_gave_the_same_bytes(name: str, kind: str) -> None:
    values = _values(kind)
    before = values.copy()
    assert _digest(encode(ENCODINGS[name], values)) == GOLDEN[name][kind]
    assert np.array_equal(before, values)


@pytest.mark.llama
@pytest.mark.parametrize("name", GOLDEN)
def test_the_digests_are_those_of_libggml(name: str, ggml_encode: Callable[[int, Encoding, Floats], Bytes]) -> None:
    number = int(gguf.GGMLQuantizationType[name])
    assert GOLDEN[name] == {k: _digest(ggml_encode(number, ENCODINGS[name], _values(k))) for k in _kinds(0)}


@pytest.mark.parametrize("name", GOLDEN)
def test_one_block_among_many_is_encoded_as_alone(name: str) -> None:
    """Also where a call of a kernel ends, and next to blocks that take another way."""
    encoding = ENCODINGS[name]
    values = np.concatenate([_values(kind) for kind in ("normal", "huge", "zeros", "mixed scales", "normal")])
    blocks = values.reshape(-1, encoding.block)
    whole = encode(encoding, blocks)
    picked = np.random.default_rng(1).choice(len(blocks), 40, replace=False)
    assert all(np.array_equal(encode(encoding, blocks[at : at + 1])[0], whole[at]) for at in picked)


@pytest.mark.parametrize("name", GOLDEN)
def test_more_bits_come_nearer(name: str) -> None:
    """Encoder and decoder agree on the layout: the error halves with every bit."""
    values, encoding = _values("normal"), ENCODINGS[name]
    error = np.abs(decode(encoding, encode(encoding, values), SHAPE[1]) - values).mean() / np.abs(values).mean()
    assert 1.3 < error * 2 ** (8 * encoding.nbytes / encoding.block) < 2
