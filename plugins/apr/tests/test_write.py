"""What is written: the layout and the keys that the inference loader needs, and every bit back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Change, Config, Lazy, Model, Tensor, Tokenizer
from hub_apr import APR
from hub_apr.container import ALIASES, ALIGNMENT, BY_ENCODING, KNOWN, SIZE, Container, Flags, footer, open_any, up64

Write = Callable[..., Path]

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 256, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512, "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 96, "head_dim": 64, "tie_word_embeddings": True,
}  # fmt: skip
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def tensor(name: str, shape: tuple[int, ...], encoding: str) -> Tensor:
    kind = ENCODINGS[encoding]
    ramp = np.arange(kind.size(shape), dtype=np.int64) * 7 % 61
    return Tensor.from_bytes(name, shape, kind, ramp.astype(np.uint8))


def model_of(*tensors: Tensor, **fields: Any) -> Model:
    return Model({t.name: t for t in tensors}, **{"config": Config(LLAMA), **fields})


def container(path: Path) -> Container:
    opened = open_any(path)
    assert isinstance(opened, Container)
    return opened


@pytest.fixture
def everything() -> Model:
    tensors = [tensor(f"w.{name}", (6, 512), name) for name in ENCODINGS]
    tensors += [tensor(EMBEDDING, (96, 256), "Q8_0"), tensor("model.norm.weight", (256,), "F16")]
    tensors += [tensor("q.bias", (256,), "BF16"), tensor("empty", (0, 32), "Q8_0"), tensor("scalar", (), "F64")]
    tensors += [tensor("deep", (1, 1, 2, 1, 1, 2, 1, 1, 3), "F32"), tensor("ragged", (2, 3, 300), "Q4_K")]
    tensors += [tensor("padded", (3, 300), "Q4_K"), tensor("short", (300,), "Q6_K")]
    tensors += [tensor("stack", (3, 2, 32), "Q5_0"), tensor("flags", (3,), "BOOL")]
    return model_of(
        *tensors,
        tokenizer=Lazy.of(Tokenizer("bpe", ["a", "b"], merges=["a b"], special={"eos": 1}, chat_template="{{ x }}")),
        metadata={"name": "all", "license": "mit", "tags": ["x"], "format": "GGUF v3"},
        ties={HEAD: EMBEDDING},
        files={"README.md": "# Größe\n".encode(), "big.bin": bytes(range(256)) * 99},
        source=Lazy.of({"gguf": {"keys": {"x": [1, 2.5, None]}}}),
        notes=("taken as said",),
    )


def test_everything_comes_back(everything: Model, write: Write) -> None:
    back = APR().read(write(everything))
    assert list(back.tensors) == list(everything.tensors)
    for name, source in everything.tensors.items():
        found = back.tensors[name]
        assert (found.shape, found.encoding, found.read()) == (source.shape, source.encoding, source.read()), name
        assert found.change <= Change.EXACT
    assert dict(back.config) == LLAMA
    assert back.tokenizer.get() == everything.tokenizer.get()
    assert back.ties == everything.ties
    assert dict(back.files) == everything.files
    assert back.source.get() == everything.source.get()
    assert (back.naming, back.notes) == ("hf", everything.notes)
    assert back.metadata == {"name": "all", "license": "mit", "tags": ["x"], "format": "APR v2"}


def test_the_file_is_laid_out_as_the_format_says(everything: Model, write: Write) -> None:
    path = write(everything)
    opened = container(path)
    header = opened.header
    assert (header.version, header.reserved, header.metadata_offset) == ((2, 0), bytes(20), SIZE)
    assert header.tensor_index_offset == SIZE + up64(header.metadata_size)
    assert header.data_offset == up64(opened.index_end)
    assert not opened.unaligned
    assert not opened.problems()
    assert opened.required_size == path.stat().st_size - 4
    assert footer(opened.image).valid
    names = [e.name.encode() for e in opened.entries]
    assert names == sorted(set(names))
    assert Flags(header.flags) == Flags.LAYOUT_ROW_MAJOR | Flags.QUANTIZED | Flags.HAS_VOCAB


def test_writing_twice_gives_the_same_file(everything: Model, write: Write) -> None:
    assert write(everything, name="a.apr").read_bytes() == write(everything, name="b.apr").read_bytes()


def test_keys_are_canonical_and_spelled_once(everything: Model, write: Write) -> None:
    opened = container(write(everything))
    text = opened.image.read(SIZE, opened.header.metadata_size).decode()
    keys: list[str] = []
    json.loads(text, object_pairs_hook=lambda pairs: keys.extend(k for k, _ in pairs))
    metadata = opened.metadata
    assert not {alias for names in ALIASES.values() for alias in names} & set(metadata)
    assert list(metadata)[: len(set(metadata) & set(KNOWN))] == [key for key in KNOWN if key in metadata]
    expected = {
        "model_type": "llama", "architecture": "llama", "hf_architecture": "LlamaForCausalLM", "hf_model_type": "llama",
        "hidden_size": 256, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "intermediate_size": 512,
        "vocab_size": 96, "max_position_embeddings": 2048, "rope_theta": 500000.0, "rope_type": 2,
        "rms_norm_eps": 1e-05, "head_dim": 64, "tied_embeddings": True, "chat_template": "{{ x }}",
        "tokenizer.chat_template": "{{ x }}", "name": "all", "license": "mit", "original_format": "GGUF v3",
        "param_count": everything.parameters,
    }  # fmt: skip
    assert {key: metadata[key] for key in expected} == expected
    assert metadata["quantization"]["quant_type"] == "Q8_0"


def test_a_tied_head_shares_the_bytes(everything: Model, write: Write) -> None:
    entries = {e.name: e for e in container(write(everything)).entries}
    assert replace(entries[HEAD], name=EMBEDDING) == entries[EMBEDDING]


def test_a_head_that_only_the_config_ties_is_there_for_the_loader(write: Write) -> None:
    path = write(model_of(tensor(EMBEDDING, (96, 256), "F16")))
    assert {e.name for e in container(path).entries} == {EMBEDDING, HEAD}
    back = APR().read(path)
    assert (list(back.tensors), back.ties) == ([EMBEDDING], {})


def test_norms_and_biases_are_f32(everything: Model, write: Write) -> None:
    entries = {e.name: e.dtype.name for e in container(write(everything)).entries}
    assert (entries["model.norm.weight"], entries["q.bias"]) == ("f32", "f32")


def test_every_f16_and_bf16_bit_pattern_survives_widening(write: Write) -> None:
    patterns = np.arange(1 << 16, dtype="<u2").view(np.uint8)
    model = model_of(*(Tensor.from_bytes(n, (1 << 16,), ENCODINGS[n], patterns) for n in ("F16", "BF16")))
    back = APR().read(write(model))
    for name in ("F16", "BF16"):
        found = np.frombuffer(back.tensors[name].read(), "<u2")
        quiet = {"F16": 0x0200, "BF16": 0x0040}[name]
        numbers = np.arange(1 << 16) & 0x7FFF <= {"F16": 0x7C00, "BF16": 0x7F80}[name]
        assert np.array_equal(found[numbers], np.arange(1 << 16)[numbers])
        assert np.array_equal(found | quiet, np.arange(1 << 16) | quiet)


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - set(BY_ENCODING)))
def test_what_apr_cannot_hold_is_carried_byte_for_byte(encoding: str, write: Write) -> None:
    source = tensor("w", (6, 512), encoding)
    plan = APR().plan(model_of(source), Options())
    (planned,) = plan.tensors
    assert (planned.tensor.encoding.name, planned.tensor.shape) == ("U8", (6, source.rows.width))
    assert planned.change is Change.SAME
    assert re.match(f"APR has no {encoding}: carried byte for byte", planned.reason)
    (entry,) = container(write(model_of(source))).entries
    assert (entry.dtype.name, entry.shape) == ("u8", (6, source.rows.width))


def test_portable_decodes_only_what_apr_has_no_dtype_for(everything: Model, write: Write) -> None:
    plan = APR().plan(everything, Options(portable=True))
    kinds = {p.sources[0]: p for p in plan.tensors}
    assert kinds["w.Q5_0"].tensor.encoding.name == "F32"
    assert "--portable" in kinds["w.Q5_0"].reason
    assert kinds["w.Q5_0"].change is Change.EXACT
    assert [kinds[f"w.{n}"].change for n in ("Q4_K", "Q6_K", "BF16", "F16")] == [Change.SAME] * 4
    assert kinds["w.BOOL"].tensor.encoding.name == "U8"
    back = APR().read(write(everything, Options(portable=True)))
    assert back.tensors["w.Q5_0"].encoding.name == "F32"
    assert back.tensors["w.BOOL"].read() == everything.tensors["w.BOOL"].read()
    assert list(back.tensors) == list(everything.tensors)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_packed(codec: str, everything: Model, write: Write) -> None:
    weights = (np.random.default_rng(1).standard_normal((900, 700)) * 0.02).astype("<f4")
    large = Tensor.from_bytes("large", (900, 700), ENCODINGS["F32"], weights.tobytes())
    model = replace(everything, tensors={**everything.tensors, "large": large})
    path = write(model, Options(compression=codec))
    opened = container(path)
    assert not opened.header.flags & (Flags.LZ4_COMPRESSED | Flags.ZSTD_COMPRESSED)
    assert footer(opened.image).valid
    assert path.stat().st_size < 0.97 * write(model, name="plain.apr").stat().st_size
    back = APR().read(path)
    assert list(back.tensors) == list(model.tensors)
    for name, source in model.tensors.items():
        assert back.tensors[name].read() == source.read(), name
    assert np.array_equal(back.tensors["large"].take(np.array([899, 0])).rows.read().view("<f4"), weights[[899, 0]])


def test_an_unknown_codec_is_a_usage_error(everything: Model) -> None:
    with pytest.raises(UsageError, match="lz4 or zstd"):
        APR().plan(everything, Options(compression="gzip"))


def test_what_is_packed_is_not_portable(everything: Model) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        APR().plan(everything, Options(compression="zstd", portable=True))


def test_a_name_that_the_index_cannot_hold_is_unmapped() -> None:
    plan = APR().plan(model_of(tensor("x" * 257, (2,), "F32"), tensor("é" * 128, (2,), "F32")), Options())
    assert [name[0] for name in plan.unmapped] == ["x"]
    assert [p.tensor.name[0] for p in plan.tensors] == ["é"]


def test_config_values_that_strict_json_cannot_hold(write: Write) -> None:
    odd = {"limits": [0.0, float("inf")], "huge": 10**40, "surrogate": "\ud800", "rope_theta": float("nan"), **LLAMA}
    model = model_of(tensor("w", (2, 2), "F32"), config=Config(odd))
    assert dict(APR().read(write(model)).config) == odd


def test_an_unknown_architecture_keeps_its_own_names(write: Write) -> None:
    tensors = [tensor("token_embd.weight", (64, 32), "Q4_1"), tensor("blk.0.ssm_a", (32,), "F16")]
    model = model_of(*tensors, config=Config(), naming="native", metadata={"architecture": "mamba7"})
    path = write(model)
    back = APR().read(path)
    assert back.naming == "native"
    assert {n: t.read() for n, t in back.tensors.items()} == {t.name: t.read() for t in tensors}
    metadata = container(path).metadata
    assert (metadata["architecture"], metadata["vocab_size"]) == ("mamba7", 64)
    assert "rope_type" not in metadata
    assert dict(back.config) == {}


def test_no_tensors_at_all(write: Write) -> None:
    path = write(model_of())
    opened = container(path)
    assert opened.header.data_offset == opened.header.tensor_index_offset == path.stat().st_size - 4
    assert not APR().read(path).tensors


def test_keys_of_a_foreign_file_come_back(forge: Callable[..., Path], write: Write) -> None:
    keys = {"model_type": "x", "created_at": "today", "my.key": {"a": [1]}, "n_embd": 8, "version": "3"}
    model = APR().read(forge(keys, [("w", 0, (2,), bytes(8))]))
    metadata = container(write(model)).metadata
    assert {key: metadata[key] for key in ("created_at", "my.key", "version")} == {
        "created_at": "today", "my.key": {"a": [1]}, "version": "3"
    }  # fmt: skip
    assert metadata["hidden_size"] == 8
    assert "n_embd" not in metadata
    assert APR().read(write(model)).source.get() == model.source.get()


@pytest.mark.parametrize("size", [8_000, 40_000])
def test_shards(size: int, everything: Model, write: Write, tmp_path: Path) -> None:
    model = replace(everything, tensors={n: t for n, t in everything.tensors.items() if t.nbytes < 6_000}, ties={})
    first = write(model, Options(shard_size=size))
    shards = sorted(tmp_path.glob("model-*.apr"))
    assert first == shards[0]
    assert len(shards) > 1
    assert all(path.stat().st_size <= size for path in shards)
    for path in (shards[0], shards[-1], tmp_path / "model.apr.json"):
        back = APR().read(path)
        assert {n: t.read() for n, t in back.tensors.items()} == {n: t.read() for n, t in model.tensors.items()}
        assert list(back.tensors) == list(model.tensors)
        assert back.tokenizer.get() == model.tokenizer.get()


def test_a_tensor_larger_than_a_shard_has_one_to_itself(everything: Model, write: Write, tmp_path: Path) -> None:
    model = replace(everything, ties={})
    back = APR().read(write(model, Options(shard_size=1000)))
    assert {n: t.read() for n, t in back.tensors.items()} == {n: t.read() for n, t in model.tensors.items()}
    large = [path for path in tmp_path.glob("model-*.apr") if path.stat().st_size > 1000]
    assert len(large) > 1
    assert all(len({entry.offset for entry in container(path).entries}) <= 1 for path in large)


def test_a_large_vocabulary_costs_less_than_in_its_source(write: Write) -> None:
    words = [f"\u2581word{i}" for i in range(262_144)]
    tokenizer = Tokenizer("spm", words, scores=[-float(i) for i in range(len(words))], types=[1] * len(words))
    strings = sum(8 + len(word.encode()) for word in words)
    path = write(model_of(tensor("w", (4, 4), "F32"), tokenizer=Lazy.of(tokenizer)))
    assert path.stat().st_size < strings + 8 * len(words)
    assert APR().read(path).tokenizer.get() == tokenizer


@pytest.mark.timeout(30)  # the index was once made anew for every tensor
@pytest.mark.parametrize("options", [Options(), Options(compression="zstd"), Options(shard_size=1 << 20)])
def test_many_tensors_take_time_in_proportion(write: Write, options: Options) -> None:
    model = model_of(*(tensor(f"expert.{i}", (4, 4), "F32") for i in range(20_000)))
    assert len(APR().read(write(model, options)).tensors) == 20_000


def test_the_format_states_the_alignment_of_its_container() -> None:
    assert APR.alignment == ALIGNMENT
