"""What the reference library writes today, read by us."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.ir import ENCODINGS
from hub_apr import APR
from hub_apr.container import BY_ENCODING, Container, footer, open_any

pytestmark = pytest.mark.timeout(900)  # the first test builds the reference

Reference = Callable[[str, Path], dict[str, Any]]

# In the order in which the reference numbers its ramps.
NAMES = ["F32", "F16", "BF16", "F64", "I32", "I64", "I8", "U8", "APR_Q4", "APR_Q8", "Q4_K", "Q6_K"]


def ramp(seed: int, size: int) -> bytes:
    return bytes((i * 7 + seed * 13) % 61 for i in range(size))


@pytest.mark.parametrize("name", ["plain.apr", "streaming.apr"])
def test_every_dtype(name: str, reference: Reference, tmp_path: Path) -> None:
    reference("write", tmp_path)
    container, dump = open_any(tmp_path / name), reference("dump", tmp_path / name)
    assert isinstance(container, Container)
    assert footer(container.image).valid
    table = [(e.name, e.dtype.name, list(e.shape), e.offset, e.size) for e in container.entries]
    assert table == [tuple(t[k] for k in ("name", "dtype", "shape", "offset", "size")) for t in dump["tensors"]]
    assert [zlib.crc32(container.read(e)) for e in container.entries] == [t["crc32"] for t in dump["tensors"]]
    model = APR().read(tmp_path / name)
    for seed, encoding in enumerate(NAMES):
        tensor = model.tensors[f"t.{BY_ENCODING[encoding].name}"]
        assert tensor.encoding == ENCODINGS[encoding]
        assert tensor.read() == ramp(seed, tensor.nbytes)
    assert model.config["hidden_size"] == 256
    assert model.metadata["name"] == "written by the reference"


@pytest.mark.parametrize("name", ["shards.json", "shard-00000-of-00002.apr", "shard-00001-of-00002.apr"])
def test_shards_are_one_model_from_either_end(name: str, reference: Reference, tmp_path: Path) -> None:
    reference("write", tmp_path)
    model = APR().read(tmp_path / name)
    assert [model.tensors[f"w{i}"].read() for i in range(2)] == [ramp(i, 32) for i in range(2)]
