"""Matrices in blocks whose transpose the canonical form wants, as a quantized GPT-2 from a GGUF has them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hub.codecs import recode
from hub.interface import Options
from hub.ir import ENCODINGS, F32, Config, Model, Tensor, Transposed
from hub_apr import APR

Write = Callable[..., Path]


def blocks(name: str, encoding: str) -> Tensor:
    """A matrix [5, 256] of random blocks, scales kept small."""
    kind = ENCODINGS[encoding]
    raw = np.random.default_rng(3).integers(0, 60, kind.size((5, 256)), np.uint8)
    return Tensor.from_bytes(name, (5, 256), kind, raw)


def turned(name: str, encoding: str) -> Tensor:
    return recode(blocks(name, encoding), F32).transposed()


@pytest.mark.parametrize("encoding", ["Q8_0", "Q4_K", "Q4_1", "IQ4_NL"])
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_blocks_are_carried_and_turned_again(encoding: str, codec: str | None, write: Write) -> None:
    tensor = turned("h.0.attn.c_attn.weight", encoding)
    assert isinstance(tensor.rows, Transposed)
    path = write(Model({tensor.name: tensor}, Config({"model_type": "gpt2"})), Options(compression=codec))
    back = APR().read(path).tensors[tensor.name]
    assert (back.shape, back.encoding) == ((256, 5), F32)
    assert back.read() == tensor.read()
    assert recode(back.transposed(), ENCODINGS[encoding]).read() == blocks("x", encoding).read()
    assert path.stat().st_size < 3000 + blocks("x", encoding).nbytes


def test_portable_writes_what_apr_can_compute_with(write: Write) -> None:
    tensor = turned("w", "Q8_0")
    path = write(Model({"w": tensor}, Config({"model_type": "gpt2"})), Options(portable=True))
    back = APR().read(path).tensors["w"]
    assert not isinstance(back.rows, Transposed)
    assert back.read() == tensor.read()


def test_values_that_were_turned_and_never_blocks_stay_values(write: Write) -> None:
    plain = Tensor.from_bytes("w", (4, 8), F32, np.arange(32, dtype=np.float32).tobytes()).transposed()
    back = APR().read(write(Model({"w": plain}, Config({"model_type": "gpt2"})))).tensors["w"]
    assert (back.shape, back.read()) == ((8, 4), plain.read())
