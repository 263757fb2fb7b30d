from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

from hub.errors import DamagedFile
from hub.ir import ENCODINGS, Tensor
from hub_gguf.container import Value, ValueType, layout, read_parts, shard_name, shard_stem, shards, split_keys

TENSORS = {f"t{i}": np.full((4, 8), i, np.float32) for i in range(5)}


@pytest.fixture
def split(write_gguf: Any) -> list[Path]:
    """A model of three parts, written by the `gguf` package."""

    def fill(writer: GGUFWriter) -> None:
        writer.add_uint32("toy.block_count", 5)

    path: Path = write_gguf("model.gguf", fill, TENSORS, split_max_size=256)
    return sorted(path.parent.glob("model-*.gguf"))


@pytest.mark.parametrize("opened", [0, 1, 2])
def test_any_part_opens_all(split: list[Path], opened: int) -> None:
    parts = read_parts(split[opened])
    assert [p.file.path for p in parts] == split
    assert [i.name for p in parts for i in p.tensors] == list(TENSORS)
    assert parts[0].plain["toy.block_count"] == 5


def test_a_missing_part_is_named(split: list[Path]) -> None:
    split[1].unlink()
    with pytest.raises(DamagedFile, match=r"model-00002-of-00003.gguf: part 2 of 3 is missing"):
        read_parts(split[0])


def test_a_part_under_another_name_says_which_name(split: list[Path]) -> None:
    renamed = split[1].rename(split[1].with_name("other.gguf"))
    with pytest.raises(DamagedFile, match=re.escape("'other-00002-of-00003.gguf' was expected")):
        read_parts(renamed)


def test_parts_swapped_are_found(split: list[Path]) -> None:
    first, second = split[1].read_bytes(), split[2].read_bytes()
    split[1].write_bytes(second)
    split[2].write_bytes(first)
    with pytest.raises(DamagedFile, match=r"00002-of-00003.gguf: split.no is 2, 1 was expected"):
        read_parts(split[0])


def test_a_part_of_another_model_is_found(split: list[Path], write_gguf: Any) -> None:
    fewer = {name: TENSORS[name] for name in ("t0", "t1", "t2", "t3")}
    other: Path = write_gguf("other.gguf", None, fewer, split_max_tensors=2)
    split[1].write_bytes(other.with_name("other-00002-of-00002.gguf").read_bytes())
    with pytest.raises(DamagedFile, match=r"split.count is 2, 3 was expected"):
        read_parts(split[0])


def test_a_tensor_in_two_parts_is_found(split: list[Path]) -> None:
    second = split[1].read_bytes().replace(b"\2\0\0\0\0\0\0\0t2", b"\2\0\0\0\0\0\0\0t0")
    split[1].write_bytes(second)
    with pytest.raises(DamagedFile, match=r"tensor 't0': is in model-00001-of-00003.gguf too"):
        read_parts(split[0])


def test_a_wrong_number_of_tensors_is_found(split: list[Path]) -> None:
    data = bytearray(split[0].read_bytes())
    at = data.index(b"split.tensors.count") + len("split.tensors.count") + 4
    data[at] = 7
    split[0].write_bytes(data)
    with pytest.raises(DamagedFile, match=r"split.tensors.count is 7, the 3 parts hold 5"):
        read_parts(split[2])


def test_names_are_llama_cpps() -> None:
    assert shard_name("a/b", 1, 12) == "a/b-00002-of-00012.gguf"
    assert shard_stem("b-00002-of-00012.gguf") == shard_stem("b.gguf") == "b"


def test_shards_stay_within_the_size_and_keep_the_order() -> None:
    keys = {"general.architecture": Value(ValueType.STRING, "toy"), "pad": Value(ValueType.STRING, "x" * 3000)}
    tensors = [Tensor.from_bytes(f"t{i}", (500,), ENCODINGS["I8"], bytes(500)) for i in range(20)]
    parts = shards(keys, tensors, 5000)
    assert [t.name for part in parts for t in part] == [t.name for t in tensors]
    for no, part in enumerate(parts):
        own = split_keys(no, len(parts), len(tensors))
        size = layout({**keys, **own} if no == 0 else own, part).size
        assert 2500 < size <= 5000 or no == len(parts) - 1


def test_a_tensor_larger_than_a_shard_gets_one_of_its_own() -> None:
    tensors = [Tensor.from_bytes(f"t{i}", (n,), ENCODINGS["I8"], bytes(n)) for i, n in enumerate((10, 9000, 10))]
    assert [[t.name for t in part] for part in shards({}, tensors, 4000)] == [["t0"], ["t1"], ["t2"]]


def test_no_parts_are_empty_but_the_first() -> None:
    tensors = [Tensor.from_bytes(f"t{i}", (9000,), ENCODINGS["I8"], bytes(9000)) for i in range(2)]
    assert [len(part) for part in shards({}, tensors, 4000)] == [0, 1, 1]
