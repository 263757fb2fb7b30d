"""What llama.cpp's converter wrote for the tiny models of `tests/oracle/cases.py`, and random models of any family."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.architectures import family
from hub.ir import ENCODINGS, Config, Model, Tensor

Case = dict[str, Any]
MakeModel = Callable[..., Model]


@pytest.fixture(scope="session")
def script() -> dict[str, Case]:
    """By case: Hugging Face's `config` and `tensors`, and the script's `arch`, `keys`, `gguf` tensors, `factors`.

    Tensors are name -> [encoding, *shape], keys are name -> [type, value]; factors are the values of rope tensors.
    """
    loaded: dict[str, Case] = json.loads((Path(__file__).parent / "script.json").read_text())
    return loaded


def _tensor(name: str, encoding: str, shape: tuple[int, ...], seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    if encoding == "F32":
        # Multiples of 2^-12 below 4: adding 1, as GGUF does to some norms, loses nothing.
        data = (rng.integers(-(1 << 14), 1 << 14, shape) / 4096).astype(np.float32).tobytes()
    else:
        data = rng.integers(0, 255, ENCODINGS[encoding].size(shape), np.uint8).tobytes()
    return Tensor.from_bytes(name, shape, ENCODINGS[encoding], data)


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """`make_model(config, encoding="F32", tensors=None)`: a model whose matrices hold random bytes of `encoding`.

    Tensors default to all that the family's table expects; vectors, and rows that blocks do not fit, are F32.
    """

    def make(
        config: Mapping[str, Any],
        encoding: str = "F32",
        tensors: Mapping[str, tuple[str, tuple[int, ...]]] | None = None,
    ) -> Model:
        known = family(config)
        assert known is not None
        wanted = tensors or {e.name: (encoding, e.shape) for e in known.expected(config) if e.required}
        made = {}
        for seed, (name, (kind, shape)) in enumerate(wanted.items()):
            plain = len(shape) < 2 or shape[-1] % ENCODINGS[kind].block
            made[name] = _tensor(name, "F32" if plain else kind, shape, seed)
        ties = {known.head[0]: known.head[1]} if known.head and known.head[0] not in made else {}
        return Model(made, Config(config), ties=ties)

    return make
