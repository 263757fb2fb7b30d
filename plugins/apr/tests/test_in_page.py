"""The block by which a page makes a GGUF, followed here by a second hand: what it gives is what a conversion gives."""

import base64
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.architectures import family
from hub.codecs import recode
from hub.errors import HubError, UnsupportedFile, UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Config, Lazy, Model, Tensor, Tokenizer
from hub.pipeline import Request, convert

WASM = Options(target="wasm")
BASE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 40,
        "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": False}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 128,
        "vocab_size": 40, "layer_norm_epsilon": 1e-5}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "rows of heads": {"model_type": "llama", **BASE},
    "rows and biases of heads": {"model_type": "llama", "attention_bias": True, **BASE},
    "pieces of one tensor": {"model_type": "phi3", **BASE, "num_key_value_heads": 4, "partial_rotary_factor": 1.0,
                             "original_max_position_embeddings": 64},
    "sums": {"model_type": "gemma", **BASE, "head_dim": 16, "tie_word_embeddings": True},
    "stacks of experts": {"model_type": "mixtral", **BASE, "num_local_experts": 4, "num_experts_per_tok": 2},
    "transposes": GPT2,
}  # fmt: skip


def made(config: Mapping[str, Any], encoding: str = "F32") -> Model:
    known = family(config)
    assert known is not None
    rng, wanted, tensors = np.random.default_rng(5), ENCODINGS[encoding], {}
    for expected in known.expected(config):
        if expected.required:
            values = rng.normal(size=expected.shape).astype(np.float32)
            plain = Tensor.from_bytes(expected.name, expected.shape, ENCODINGS["F32"], values.tobytes())
            fits = expected.shape[-1] % wanted.block == 0 and (len(expected.shape) > 1 or wanted.block == 1)
            data = recode(plain, wanted).read() if fits else plain.read()
            kind = wanted if fits else plain.encoding
            tensors[expected.name] = Tensor.from_bytes(expected.name, expected.shape, kind, data)
    ties = {known.head[0]: known.head[1]} if known.head and known.head[0] not in tensors else {}
    return Model(tensors, Config(config), ties=ties)


def unpacked(block: Any) -> Any:
    return json.loads(inflated(block)) if isinstance(block, dict) and "hub.zlib" in block else block


def inflated(block: dict[str, Any]) -> bytes:
    return zlib.decompress(base64.b64decode(block["hub.zlib"]))


def followed(path: Path) -> list[bytes]:
    """The files of the GGUF as the block says them, from the format's own description alone."""
    raw = path.read_bytes()
    (count, at, size, index, data) = struct.unpack_from("<IQIQQ", raw, 8)
    block = json.loads(raw[at : at + size])["hub.gguf"]
    assert block["version"] == 1
    stored = {}
    for _ in range(count):
        (n,) = struct.unpack_from("<H", raw, index)
        name, dims = raw[index + 2 : index + 2 + n].decode(), raw[index + 3 + n]
        offset, nbytes = struct.unpack_from("<QQ", raw, index + 4 + n + 8 * dims)
        stored[name] = raw[data + offset : data + offset + nbytes]
        index += 20 + n + 8 * dims
    moves = unpacked(block["moves"])
    return [built(part, stored, moves) for part in block["parts"]]


def built(part: dict[str, Any], stored: Mapping[str, bytes], moves: list[list[int]]) -> bytes:
    out = bytearray(inflated(part["head"]))
    for at, pieces in unpacked(part["tensors"]):
        out = out.ljust(at, b"\0")
        for piece in pieces:
            out += moved(piece, stored, moves)
    return bytes(out.ljust(part["size"], b"\0"))


def moved(piece: dict[str, Any], stored: Mapping[str, bytes], moves: list[list[int]]) -> bytes:
    if "bytes" in piece:
        return base64.b64decode(piece["bytes"])
    if "width" not in piece:
        return stored[piece["of"]]
    rows = np.frombuffer(stored[piece["of"]], np.uint8).reshape(-1, piece["width"])
    if "rows" in piece:
        return rows[moves[piece["rows"]]].tobytes()
    return rows.reshape(len(rows), -1, piece["item"]).swapaxes(0, 1).tobytes()


@pytest.mark.parametrize("encoding", ["F32", "BF16", "Q8_0"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_what_the_block_says_is_what_converting_gives(config: dict[str, Any], encoding: str, tmp_path: Path) -> None:
    apr, gguf = tmp_path / "model.apr", tmp_path / "model.gguf"
    report = convert(Request(made(config, encoding), apr, options=WASM))
    assert "made for llama.cpp in a web page: the file says how a page turns it into gguf" in report.notes
    convert(Request(apr, gguf))
    assert followed(apr) == [gguf.read_bytes()]


def test_a_tokenizer_and_its_card_are_in_the_header(tmp_path: Path) -> None:
    model = made(CONFIGS["rows of heads"])
    tokenizer = Tokenizer(kind="bpe", tokens=[f"t{i}" for i in range(40)], merges=["t 1"], special={"eos": 3})
    model = Model(model.tensors, model.config, Lazy.of(tokenizer), metadata={"name": "Tiny"})
    with pytest.raises(HubError, match="which pre-tokenizer"):
        convert(Request(model, tmp_path / "model.apr", options=WASM))
    convert(Request(model, tmp_path / "model.apr", options=Options(target="wasm", pre="qwen2")))
    convert(Request(tmp_path / "model.apr", tmp_path / "model.gguf"))
    (whole,) = followed(tmp_path / "model.apr")
    assert whole == (tmp_path / "model.gguf").read_bytes()
    assert b"qwen2" in whole
    assert b"Tiny" in whole


def test_a_file_above_the_limit_of_one_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from hub import targets

    small = replace(targets.TARGETS["wasm"], largest=100_000)
    monkeypatch.setitem(targets.TARGETS, "wasm", small)
    convert(Request(made(CONFIGS["rows of heads"]), tmp_path / "model.apr", options=WASM))
    convert(Request(tmp_path / "model.apr", tmp_path / "model.gguf", options=Options(shard_size=100_000)))
    parts = sorted(tmp_path.glob("model-*.gguf"))
    assert len(parts) == 3
    assert followed(tmp_path / "model.apr") == [part.read_bytes() for part in parts]


def test_an_ordinary_conversion_leaves_the_block_out(tmp_path: Path, read: Callable[[Path], dict[str, Any]]) -> None:
    convert(Request(made(CONFIGS["rows of heads"]), tmp_path / "a.apr", options=WASM))
    convert(Request(tmp_path / "a.apr", tmp_path / "b.apr"))
    convert(Request(tmp_path / "b.apr", tmp_path / "c.apr", options=WASM))
    assert "hub.gguf" in read(tmp_path / "a.apr")
    assert "hub.gguf" not in read(tmp_path / "b.apr")
    assert read(tmp_path / "b.apr") == {k: v for k, v in read(tmp_path / "c.apr").items() if k != "hub.gguf"}


@pytest.fixture
def read() -> Callable[[Path], dict[str, Any]]:
    """The metadata of an APR file."""

    def run(path: Path) -> dict[str, Any]:
        raw = path.read_bytes()
        (size,) = struct.unpack_from("<I", raw, 20)
        loaded: dict[str, Any] = json.loads(raw[64 : 64 + size])
        return loaded

    return run


def test_what_a_page_would_have_to_compute_is_refused(tmp_path: Path) -> None:
    wide = {**GPT2, "n_embd": 768, "n_head": 12, "n_inner": 3072}
    with pytest.raises(UnsupportedFile, match="by computing, which a page does not do") as refused:
        convert(Request(made(wide, "Q8_0"), tmp_path / "model.apr", options=WASM))
    assert refused.value.tensor == "blk.0.attn_qkv.weight"
    assert not list(tmp_path.iterdir())


def test_an_encoding_that_nothing_computes_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match="does not compute with F64"):
        convert(Request(made(CONFIGS["rows of heads"], "F64"), tmp_path / "model.apr", options=WASM))


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"shard_size": 1 << 20}, {"target": "wams"}])
def test_options_that_contradict_a_page_are_an_error(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--target"):
        convert(
            Request(made(CONFIGS["transposes"]), tmp_path / "a.apr", options=Options(**{"target": "wasm", **options}))
        )
