"""Files of other programs: what their keys, names, row orders and dialects mean."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.block
import numpy as np
import pytest
import zstandard

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import ENCODINGS
from hub_apr import APR
from hub_apr.container import Container, Dialect, Header, open_any, tell

Forge = Callable[..., Path]
F32, Q8_0 = 0, 8


def floats(*shape: int, start: float = 0.0) -> bytes:
    return (np.arange(int(np.prod(shape)), dtype="<f4") + np.float32(start)).tobytes()


def llama_keys(**more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1, "intermediate_size": 4}
    return {"architecture": "llama", **sizes, "rope_type": 0, **more}


def gguf_tensors() -> list[tuple[str, int, tuple[int, ...], bytes]]:
    return [
        ("blk.0.attn_k.weight", F32, (4, 8), floats(4, 8)),
        ("blk.0.attn_norm.weight", F32, (8,), floats(8)),
        ("blk.0.attn_q.weight", F32, (8, 8), floats(8, 8)),
        ("blk.0.attn_v.weight", F32, (4, 8), floats(4, 8)),
        ("output_norm.weight", F32, (8,), floats(8)),
        ("token_embd.weight", F32, (10, 8), floats(10, 8)),
    ]


def test_a_complete_llama(apr: Path) -> None:
    model = APR().read(apr / "v2_llama_tiny_f32.apr")
    assert dict(model.config) == {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10, "intermediate_size": 16,
        "max_position_embeddings": 128, "rope_theta": 10000.0, "rms_norm_eps": 1e-05,
    }  # fmt: skip
    tokenizer = model.tokenizer.get()
    assert tokenizer is not None
    assert (tokenizer.kind, tokenizer.pre, len(tokenizer), tokenizer.merges) == ("bpe", "llama-bpe", 10, ["a b"])
    assert tokenizer.special == {"bos": 1, "eos": 2}
    assert model.naming == "hf"
    assert any("rope_type is 0" in note for note in model.notes)


def test_aliases_are_understood(apr: Path, manifest: dict[str, dict[str, Any]]) -> None:
    raw = manifest["v2_alias_keys.apr"]["dump"]["metadata_raw"]
    config = APR().read(apr / "v2_alias_keys.apr").config
    assert config["vocab_size"] == 10
    assert {"hidden_size", "num_hidden_layers", "num_attention_heads"} <= set(config)
    assert not {"hidden_size", "num_layers", "num_heads"} & set(raw)


def test_gguf_names_and_rows_of_a_llama_become_hugging_faces(forge: Forge) -> None:
    model = APR().read(forge(llama_keys(), gguf_tensors()))
    assert model.naming == "hf"
    assert set(model.tensors) == {
        "model.embed_tokens.weight", "model.norm.weight", "model.layers.0.input_layernorm.weight",
        *(f"model.layers.0.self_attn.{x}_proj.weight" for x in "qkv"),
    }  # fmt: skip
    q, k, v = (model.tensors[f"model.layers.0.self_attn.{x}_proj.weight"].rows.read().view("<f4")[:, 0] for x in "qkv")
    assert q.tolist() == [0, 16, 8, 24, 32, 48, 40, 56]  # heads of four rows: 0 2 1 3
    assert k.tolist() == [0, 16, 8, 24]
    assert v.tolist() == [0, 8, 16, 24]
    assert model.ties == {"lm_head.weight": "model.embed_tokens.weight"}
    assert model.config["tie_word_embeddings"] is True


def test_gguf_names_of_a_qwen_keep_their_rows(forge: Forge) -> None:
    model = APR().read(forge(llama_keys(architecture="qwen2"), gguf_tensors()))
    q = model.tensors["model.layers.0.self_attn.q_proj.weight"].read()
    assert q == floats(8, 8)


@pytest.mark.parametrize(("key", "value"), [("architecture", "mamba7"), ("name", "blk.0.ssm_a")])
def test_what_the_table_does_not_hold_keeps_its_names(key: str, value: str, forge: Forge) -> None:
    tensors = gguf_tensors()
    if key == "name":
        tensors = sorted([*tensors, (value, F32, (2,), floats(2))])
    model = APR().read(forge(llama_keys(**({key: value} if key != "name" else {})), tensors))
    assert model.naming == "native"
    assert set(model.tensors) == {t[0] for t in tensors}
    assert any("names" in note for note in model.notes)


def test_two_names_of_the_same_bytes_are_a_tie(forge: Forge) -> None:
    index = b""
    for name in (b"lm_head.weight", b"model.embed_tokens.weight"):
        index += struct.pack("<H", len(name)) + name + bytes([F32, 2]) + struct.pack("<4Q", 2, 2, 0, 16)
    path = forge(llama_keys(), [("x", F32, (2, 2), floats(2, 2))], index=index, header={"tensor_count": 2})
    model = APR().read(path)
    assert (list(model.tensors), model.ties) == (
        ["model.embed_tokens.weight"], {"lm_head.weight": "model.embed_tokens.weight"}
    )  # fmt: skip


def test_realizars_gguf_files(forge: Forge) -> None:
    """Shapes innermost first, GGML's type numbers, no row-major flag, no footer."""
    quantized = bytes(range(34)) * 10
    tensors = [("output_norm.weight", F32, (32,), floats(32)), ("token_embd.weight", Q8_0, (32, 10), quantized)]
    model = APR().read(forge(llama_keys(hidden_size=32), tensors, header={"flags": 0x0020}, footer=False))
    table = model.tensors["model.embed_tokens.weight"]
    assert (table.shape, table.encoding, table.read()) == ((10, 32), ENCODINGS["Q8_0"], quantized)
    plain = forge({}, [("w", 128, (4, 8), bytes(18))], header={"flags": 0x0020})
    assert APR().read(plain).tensors["w"].encoding.name == "APR_Q4"


def test_the_first_magic(forge: Forge) -> None:
    path = forge({"architecture": "x"}, [("w", 2, (4,), bytes(range(8)))], header={"magic": b"APR2"})
    opened = open_any(path)
    assert isinstance(opened, Container)
    assert opened.dialect == "APR2"
    assert APR().read(path).tensors["w"].encoding.name == "BF16"
    with pytest.raises(DamagedFile, match="dtype byte 2 .BF16 of early 2026"):
        APR().read(forge({}, [("w", 2, (4,), bytes(8))]))


def apr1(tensors: list[tuple[str, tuple[int, ...], bytes]], metadata: bytes = b'{"model_type":"mlp"}') -> bytes:
    index, data = [], b""
    for name, shape, raw in tensors:
        index.append({"name": name, "dtype": "F32", "shape": list(shape), "offset": len(data), "size": len(raw)})
        data += raw
    text = json.dumps(index).encode()
    body = (
        b"APR1" + struct.pack("<I", len(metadata)) + metadata + struct.pack("<II", len(index), len(text)) + text + data
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize("how", [0, 1, 2])
def test_apr1_in_every_wrapping(how: int, tmp_path: Path) -> None:
    image = apr1([("a", (2, 3), floats(2, 3)), ("b", (1,), floats(1))])
    inner = {0: image, 1: lz4.block.compress(image), 2: zstandard.ZstdCompressor().compress(image)}[how]
    path = tmp_path / "old.apr"
    path.write_bytes(b"APR\0" + bytes([how]) + struct.pack("<I", len(image)) + inner)
    assert tell(path.read_bytes()[:64]) is Dialect.WRAPPED
    model = APR().read(path)
    assert {n: t.read() for n, t in model.tensors.items()} == {"a": floats(2, 3), "b": floats(1)}
    assert model.metadata["format"] == "APR1"


def whisper(quantization: int, entries: list[tuple[str, tuple[int, ...], bytes]], scales: list[float]) -> bytes:
    head = b"APR1" + struct.pack("<HBBBHB", 1, 0, quantization, 0, len(entries), 0) + struct.pack("<10I", *range(10))
    table, data = b"", b""
    for name, shape, raw in entries:
        dims = (*shape, 0, 0, 0, 0)[:4]
        table += struct.pack("<48sQQQ4IB7x", name.encode(), len(data), len(raw), int(np.prod(shape)), *dims, len(shape))
        data += raw
    return head + table + struct.pack(f"<{len(scales)}f", *scales) + data


def test_whisper(tmp_path: Path) -> None:
    path = tmp_path / "whisper.apr"
    path.write_bytes(whisper(0, [("enc", (2, 2), floats(2, 2)), ("dec", (3,), floats(3))], []))
    model = APR().read(path)
    assert {n: (t.shape, t.read()) for n, t in model.tensors.items()} == {
        "enc": ((2, 2), floats(2, 2)), "dec": ((3,), floats(3))
    }  # fmt: skip
    assert model.source.get()["apr"]["metadata"]["n_mels"] == 9
    path.write_bytes(whisper(2, [("enc", (4,), b"\x01\x02\xff\x80"), ("dec", (2,), b"\x05\x06")], [0.5, 2.0]))
    found = APR().read(path).tensors["dec"]
    assert (found.encoding.name, found.read()) == ("APR_Q8", struct.pack("<f", 2.0) + b"\x05\x06")
    path.write_bytes(whisper(3, [], []))
    with pytest.raises(UnsupportedFile, match="not published"):
        APR().read(path)


def test_v1_is_shown_not_converted(apr: Path) -> None:
    with pytest.raises(UnsupportedFile, match="LinearRegression"):
        APR().read(apr / "v1_golden.apr")
    told = APR().describe(apr / "v1_golden.apr")
    assert told is not None
    assert (told["model_type"], told["quality_score"]) == ("LinearRegression", 85)
    assert APR().describe(apr / "v2_shapes.apr") is None


def test_every_dialect_is_claimed(apr: Path) -> None:
    fmt = APR()
    for path in apr.rglob("*.apr"):
        claims = path.name != "bad_magic.apr"
        head = path.read_bytes()[:4096]
        assert fmt.sniff(path, head) is claims, path.name
        assert any(m.matches(head) for m in fmt.magic) is claims, path.name
    assert fmt.sniff(apr / "sharded/shard-manifest.json", (apr / "sharded/shard-manifest.json").read_bytes()[:4096])
    assert not fmt.sniff(apr / "manifest.json", (apr / "manifest.json").read_bytes()[:4096])


def test_shards_of_the_reference(apr: Path) -> None:
    for name in ("model-00001-of-00002.apr", "shard-manifest.json"):
        model = APR().read(apr / "sharded" / name)
        assert list(model.tensors) == ["layer.0.w0", "layer.0.w1", "layer.1.w0", "layer.1.w1"]


def test_header_round_trip() -> None:
    header = Header(
        flags=0x0400, tensor_count=3, metadata_offset=64, metadata_size=9, tensor_index_offset=128, data_offset=192
    )
    assert len(header.pack()) == 64
    assert header.checksum == zlib.crc32(header.pack()[:40] + header.pack()[44:])
