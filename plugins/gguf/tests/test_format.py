"""GGUF in, GGUF out, directly and by way of another format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

from hub import codecs
from hub.errors import DamagedFile, MissingFact, UnsupportedFile
from hub.interface import Format, Options
from hub.ir import ENCODINGS, F32, Lazy, Model, Tensor
from hub.pipeline import Request, convert
from hub_gguf import GgufFormat, hub_formats
from hub_gguf.container import read_header


def read(path: Path) -> Model:
    return GgufFormat().read(path)


def facts(plan: Any) -> dict[str, tuple[str, str]]:
    return {fact.key: (fact.fate, fact.detail) for fact in plan.facts}


def test_the_plugin_brings_one_format() -> None:
    (found,) = hub_formats()
    assert isinstance(found, Format)
    assert found.name == "gguf"


def test_a_model_comes_in_canonical_form(llama_file: Path) -> None:
    model = read(llama_file)
    assert model.naming == "hf"
    assert model.config["model_type"] == "llama"
    assert model.config["hidden_size"] == 64
    assert model.ties == {"lm_head.weight": "model.embed_tokens.weight"}
    assert model.metadata["format"] == "GGUF v3"
    assert model.metadata["name"] == "Toy Llama"
    assert model.metadata["quantization"] == "Q8_0"
    assert model.tensors["model.layers.0.mlp.up_proj.weight"].encoding.name == "BF16"
    tokenizer = model.tokenizer.get()
    assert tokenizer is not None
    assert (len(tokenizer), tokenizer.pre) == (300, "llama-bpe")


def test_gguf_to_gguf_is_the_same_file(llama_file: Path) -> None:
    report = convert(Request(llama_file, llama_file.with_name("again.gguf")))
    assert report.verified
    assert {line.outcome for line in report.tensors} == {"same bytes"}
    assert llama_file.with_name("again.gguf").read_bytes() == llama_file.read_bytes()


def test_gguf_by_way_of_another_format_is_the_same_file(llama_file: Path, pass_on: Any, write_model: Any) -> None:
    plan = write_model(pass_on(read(llama_file)), llama_file.with_name("again.gguf"))
    assert llama_file.with_name("again.gguf").read_bytes() == llama_file.read_bytes()
    assert facts(plan)["maker.loss"] == ("kept", "")


def test_a_source_block_is_small_json(llama_file: Path) -> None:
    text = json.dumps(read(llama_file).source.get(), allow_nan=False)
    assert '"t77"' not in text
    assert len(text) < 10_000


def test_reencoded_tensors_change_the_file_type_and_say_so(llama_file: Path, pass_on: Any, write_model: Any) -> None:
    model = pass_on(read(llama_file))
    wide = {name: codecs.recode(tensor, F32) for name, tensor in model.tensors.items()}
    again = llama_file.with_name("wide.gguf")
    plan = write_model(replace(model, tensors=wide), again)
    assert facts(plan)["general.file_type"] == ("mapped", "was 7, is 0")
    old, new = read_header(llama_file).plain, read_header(again).plain
    assert {key for key in old if old[key] != new[key] and old[key] == old[key]} == {"general.file_type"}
    theirs = {t.name: t.data for t in GGUFReader(again).tensors}
    assert theirs["blk.0.attn_q.weight"].dtype == np.float32


def test_an_assumed_fact_reaches_the_keys(llama_file: Path) -> None:
    again = llama_file.with_name("again.gguf")
    report = convert(Request(llama_file, again, assume=["rope_theta=500000"]))
    assert read_header(again).plain["llama.rope.freq_base"] == 500000.0
    assert any(f.key == "llama.rope.freq_base" and f.fate == "mapped" for f in report.facts)
    assert read(again).config["rope_theta"] == 500000


def test_a_changed_token_is_an_error_that_names_the_array(llama_file: Path, pass_on: Any) -> None:
    model = pass_on(read(llama_file))
    tokenizer = model.tokenizer.get()
    changed = replace(tokenizer, tokens=["other", *list(tokenizer.tokens)[1:]])
    with pytest.raises(DamagedFile, match=r"does not give the array 'tokenizer.ggml.tokens'"):
        GgufFormat().plan(replace(model, tokenizer=Lazy.of(changed)), Options())


@pytest.mark.parametrize(
    "block",
    [
        {"keys": [], "tensors": []},
        {"version": 3, "keys": [{"key": "a", "type": "FLOAT99", "value": 1}], "tensors": [], "carried": []},
        {"version": 3, "keys": [{"key": "a", "type": "UINT8"}], "tensors": [], "carried": []},
        {"version": 3, "keys": [[]], "tensors": [], "carried": []},
        {"version": 9, "keys": [], "tensors": [], "carried": []},
        {"version": 3, "keys": [], "tensors": [{"name": "x", "encoding": "F32", "base64": "!"}], "carried": []},
        {"version": 3, "keys": [], "tensors": [{"name": "x", "encoding": "APR_Q4"}], "carried": []},
        {"version": 3, "keys": [{"key": "a", "type": "ARRAY", "item": "INT8", "base64": "!"}], "tensors": []},
        [],
    ],
)  # fmt: skip
def test_a_malformed_block_is_an_error(llama_file: Path, pass_on: Any, block: Any) -> None:
    model = replace(pass_on(read(llama_file)), source=Lazy.of({"gguf": block}))
    with pytest.raises(DamagedFile, match="malformed"):
        GgufFormat().plan(model, Options())


def test_an_unknown_architecture_keeps_its_names(write_gguf: Any, pass_on: Any, write_model: Any) -> None:
    def fill(writer: GGUFWriter) -> None:
        writer.add_uint32("toy.depth", 3)

    path: Path = write_gguf(fill=fill)
    model = read(path)
    assert model.naming == "native"
    assert "toy" in model.notes[0]
    write_model(pass_on(model), path.with_name("again.gguf"))
    assert path.with_name("again.gguf").read_bytes() == path.read_bytes()


def test_a_tensor_that_no_table_knows_comes_back(llama_file: Path, pass_on: Any, write_model: Any) -> None:
    model = read(llama_file)
    extra = Tensor.from_bytes("blk.0.attn_wonder.weight", (2, 4), F32, bytes(32))
    plan = write_model(replace(model, source=Lazy.of({})), llama_file.with_name("plain.gguf"))
    assert not plan.unmapped
    source = {"gguf": {**model.source.get()["gguf"]}}
    source["gguf"]["tensors"] = [*source["gguf"]["tensors"], {"name": extra.name, "encoding": "F32"}]
    whole = replace(model, tensors={**model.tensors, extra.name: extra}, source=Lazy.of(source))
    write_model(whole, llama_file.with_name("more.gguf"))
    more = read(llama_file.with_name("more.gguf"))
    assert any("attn_wonder" in note for note in more.notes)
    write_model(pass_on(more), llama_file.with_name("again.gguf"))
    assert llama_file.with_name("again.gguf").read_bytes() == llama_file.with_name("more.gguf").read_bytes()


def test_a_tensor_without_a_place_is_unmapped(llama_file: Path) -> None:
    model = read(llama_file)
    extra = Tensor.from_bytes("vision.patch", (2, 4), F32, bytes(32))
    plan = GgufFormat().plan(replace(model, tensors={**model.tensors, extra.name: extra}), Options())
    assert list(plan.unmapped) == ["vision.patch"]


def test_a_vocabulary_without_pre_tokenizer_asks_for_it(llama_file: Path, write_model: Any) -> None:
    model = read(llama_file)
    tokenizer = model.tokenizer.get()
    assert tokenizer is not None
    model = replace(model, tokenizer=Lazy.of(replace(tokenizer, pre=None)), source=Lazy.of({}))
    with pytest.raises(MissingFact, match="say it with --pre"):
        GgufFormat().plan(model, Options())
    write_model(model, llama_file.with_name("pre.gguf"), pre="qwen2")
    assert read_header(llama_file.with_name("pre.gguf")).plain["tokenizer.ggml.pre"] == "qwen2"


def test_a_pre_tokenizer_that_the_user_names_replaces_the_one_of_the_file(
    llama_file: Path, pass_on: Any, write_model: Any
) -> None:
    again = llama_file.with_name("again.gguf")
    for model in (read(llama_file), pass_on(read(llama_file))):
        plan = write_model(model, again, pre="qwen2")
        tokenizer = read(again).tokenizer.get()
        assert tokenizer is not None
        assert tokenizer.pre == "qwen2"
        assert [f.key for f in plan.facts if f.fate == "mapped"] == ["tokenizer.ggml.pre"]
        again.unlink()


def test_a_pre_tokenizer_for_no_vocabulary_is_refused(write_gguf: Any) -> None:
    with pytest.raises(UnsupportedFile, match="--pre has no effect"):
        GgufFormat().plan(read(write_gguf()), Options(pre="qwen2"))


def test_nothing_of_the_payload_is_read_at_opening(llama_file: Path) -> None:
    header = read_header(llama_file)
    damaged = bytearray(llama_file.read_bytes())
    damaged[header.data_start :] = b"\xff" * (len(damaged) - header.data_start)
    llama_file.write_bytes(damaged)
    assert len(read(llama_file).tensors) == 11


def test_capabilities_name_what_gguf_has() -> None:
    held = GgufFormat().capabilities.encodings
    assert {"Q4_K", "MXFP4", "BF16", "I64"} <= held <= set(ENCODINGS)
    assert not held & {"U8", "BOOL", "F8_E4M3", "C64", "APR_Q4"}


def test_quantized_matrices_that_a_rule_transposes_are_not_decoded_for_gguf(tmp_path: Path) -> None:
    """GPT-2's Conv1D weights lie the other way round in Hugging Face's files, which blocks cannot follow."""
    hidden, rng = 32, np.random.default_rng(4)
    shapes = {
        "token_embd.weight": (40, hidden), "position_embd.weight": (16, hidden),
        "blk.0.attn_qkv.weight": (3 * hidden, hidden), "blk.0.attn_output.weight": (hidden, hidden),
        "blk.0.ffn_up.weight": (4 * hidden, hidden), "blk.0.ffn_down.weight": (hidden, 4 * hidden),
    }  # fmt: skip
    vectors = {"blk.0.attn_norm": hidden, "blk.0.ffn_norm": hidden, "output_norm": hidden}
    writer = GGUFWriter(tmp_path / "gpt2.gguf", "gpt2")
    sizes = {"block_count": 1, "context_length": 16, "embedding_length": hidden, "feed_forward_length": 4 * hidden}
    for key, value in {**sizes, "attention.head_count": 2}.items():
        writer.add_uint32(f"gpt2.{key}", value)
    writer.add_layer_norm_eps(1e-5)
    for name, shape in shapes.items():
        kind = GGMLQuantizationType.F32 if name.startswith("position") else GGMLQuantizationType.Q8_0
        data = quants.quantize(rng.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    for name, n in vectors.items():
        for suffix in ("weight", "bias"):
            writer.add_tensor(f"{name}.{suffix}", rng.normal(size=n).astype(np.float32))
    for name in ("attn_qkv", "attn_output", "ffn_up", "ffn_down"):
        rows = shapes[f"blk.0.{name}.weight"][0]
        writer.add_tensor(f"blk.0.{name}.bias", rng.normal(size=rows).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = read(tmp_path / "gpt2.gguf")
    assert model.tensors["transformer.h.0.attn.c_attn.weight"].shape == (hidden, 3 * hidden)
    convert(Request(tmp_path / "gpt2.gguf", tmp_path / "again.gguf"))
    assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / "gpt2.gguf").read_bytes()


def test_a_tied_tensor_that_the_file_holds_twice_is_held_twice_again(
    llama_file: Path, pass_on: Any, write_model: Any
) -> None:
    model = read(llama_file)
    head = model.tensors["model.embed_tokens.weight"].named("lm_head.weight")
    both = replace(model, tensors={**model.tensors, head.name: head}, ties={}, source=Lazy.of({}))
    write_model(both, llama_file.with_name("both.gguf"))
    passed = pass_on(read(llama_file.with_name("both.gguf")))
    once = {name: tensor for name, tensor in passed.tensors.items() if name != head.name}
    tied = replace(passed, tensors=once, ties={head.name: "model.embed_tokens.weight"})
    write_model(tied, llama_file.with_name("again.gguf"))
    assert llama_file.with_name("again.gguf").read_bytes() == llama_file.with_name("both.gguf").read_bytes()


def test_shards_stay_within_their_size_and_join_to_the_same_file(llama_file: Path) -> None:
    convert(Request(llama_file, llama_file.with_name("out.gguf"), options=Options(shard_size=30_000)))
    parts = sorted(llama_file.parent.glob("out-*.gguf"))
    assert [p.name for p in parts] == [f"out-{i:05d}-of-{len(parts):05d}.gguf" for i in range(1, len(parts) + 1)]
    assert len(parts) > 2
    assert all(part.stat().st_size <= 30_000 for part in parts)
    assert not llama_file.with_name("out.gguf").exists()
    names = [t.name for part in parts for t in GGUFReader(part).tensors]
    assert names == [t.name for t in GGUFReader(llama_file).tensors]
    convert(Request(parts[-1], llama_file.with_name("joined.gguf")))
    assert llama_file.with_name("joined.gguf").read_bytes() == llama_file.read_bytes()
