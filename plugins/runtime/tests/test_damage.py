"""Damaged models: hub's readers refuse them in every command, before llama.cpp could end the process on them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("llama")

U64 = struct.Struct("<Q")


def at(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    """A damage: other bytes at `offset`."""
    return lambda data: data[:offset] + value + data[offset + len(value) :]


def behind(word: bytes, skip: int, value: bytes) -> Callable[[bytes], bytes]:
    """A damage: other bytes `skip` bytes behind the first `word`."""
    return lambda data: at(data.index(word) + len(word) + skip, value)(data)


# GGUF (docs/gguf.md of ggml): magic, version, counts of tensors and keys; a key is its name, type and value, a tensor
# its name, number of dimensions, dimensions, type and offset.
GGUF: dict[str, Callable[[bytes], bytes]] = {
    "magic": at(0, b"GGUX"),
    "version": at(4, b"\x63"),
    "count of tensors": at(8, U64.pack(2**60)),
    "one tensor more": at(8, U64.pack(22)),
    "count of keys": at(16, U64.pack(2**60)),
    "length of a name": at(24, U64.pack(2**62)),
    "type of a value": behind(b"llama.block_count", 0, b"\x63"),
    "layers": behind(b"llama.block_count", 4, b"\xff\xff"),
    "no layers": behind(b"llama.block_count", 4, b"\0\0\0\0"),
    "a root of less than nothing": behind(b"layer_norm_rms_epsilon", 4, b"\xac\xc5'\xb7"),
    "a weight of whole numbers": behind(b"blk.0.ffn_up.weight", 20, b"\x1a"),
    "a norm of whole numbers": behind(b"blk.0.attn_norm.weight", 12, b"\x1a"),
    "heads": behind(b"llama.attention.head_count", 4, b"\0\0\0\0"),
    "type of a token list": behind(b"tokenizer.ggml.tokens", 4, b"\x05"),
    "length of a token list": behind(b"tokenizer.ggml.tokens", 8, U64.pack(2**61)),
    "dimensions": behind(b"token_embd.weight", 0, b"\x09"),
    "a dimension": behind(b"token_embd.weight", 4, U64.pack(2**63)),
    "type of a tensor": behind(b"token_embd.weight", 20, b"\xc8"),
    "offset of a tensor": behind(b"token_embd.weight", 24, U64.pack(2**40)),
    "cut in the header": lambda data: data[:20],
    "cut in the keys": lambda data: data[:900],
    "cut in the tensors": lambda data: data[:-100],
}

# APR v2: a header of 64 bytes with counts, offsets and a CRC-32 of itself, metadata, index, payload, a CRC-32 of all.
APR: dict[str, Callable[[bytes], bytes]] = {
    "magic": at(0, b"APRX"),
    "count of tensors": at(8, b"\xff\xff\xff\x7f"),
    "offset": at(16, b"\xff\xff\xff\xff\xff"),
    "metadata": at(70, b"\0"),
    "a weight": lambda data: at(len(data) - 300, bytes([data[-300] ^ 1]))(data),
    "cut in the header": lambda data: data[:40],
    "cut in the payload": lambda data: data[:-100],
}


@pytest.mark.parametrize(
    ("kind", "damage"), [("gguf", name) for name in GGUF] + [("apr", name) for name in APR], ids=" ".join
)
def test_a_damaged_file_is_refused_by_hub(
    hub: Callable[..., Any], tiny: Path, tiny_apr: Path, kind: str, damage: str, tmp_path: Path
) -> None:
    path = tmp_path / f"damaged.{kind}"
    whole, how = (tiny, GGUF) if kind == "gguf" else (tiny_apr, APR)
    path.write_bytes(how[damage](whole.read_bytes()))
    for _ in range(2):  # what was found damaged once is not taken for known the next time
        ran = hub("run", path, "-p", "x", "-n", 1)
        assert (ran.code, ran.out) == (2, "")
        assert str(path) in ran.err
        assert len(ran.err.splitlines()) == 1
        assert "llama.cpp does not" not in ran.err


COMMANDS: list[tuple[str, ...]] = [
    ("chat",), ("embed", "x"), ("bench",), ("showcase",), ("profile",), ("trace", "-p", "x"),
    ("perplexity", "-f", "TEXT"), ("compare", "SOUND"),
]  # fmt: skip
IN_MEMORY = ("run", "x", "--bridge", "memory")


@pytest.mark.parametrize(
    ("suffix", "command"),
    [(suffix, command) for suffix in (".gguf", ".apr") for command in COMMANDS] + [(".apr", IN_MEMORY)],
)
def test_every_command_refuses_it(
    hub: Callable[..., Any], tiny: Path, tiny_apr: Path, suffix: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes((tiny if suffix == ".gguf" else tiny_apr).read_bytes()[:-100])
    (tmp_path / "text").write_text("Once upon a time")
    words = {"TEXT": tmp_path / "text", "SOUND": tiny}
    ran = hub(command[0], path, *(words.get(word, word) for word in command[1:]))
    assert (ran.code, ran.out) == (2, "")
    assert str(path) in ran.err


@pytest.mark.parametrize("place", [0, 4000, -300])
def test_what_is_changed_in_the_cache_is_made_again(
    hub: Callable[..., Any], tiny_apr: Path, cache_folder: Path, place: int
) -> None:
    before = hub("run", tiny_apr, "-p", "x", "-n", 8, "-q")
    (kept,) = (cache_folder / "bridge").glob("*/model.gguf")
    data = kept.read_bytes()
    with kept.open("r+b") as file:
        file.seek(place, 2 if place < 0 else 0)
        file.write(b"\xff\xff\xff\xff")
    assert kept.read_bytes() != data
    assert hub("run", tiny_apr, "-p", "x", "-n", 8, "-q") == before
    assert kept.read_bytes() == data
