"""The tensor manifest: digests that do not depend on the format, and a comparison that names what departs."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import jsonschema
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import hub
from hub.errors import BadSignature, DamagedFile
from hub.interface import Options
from hub.pipeline import Budget, Request, convert
from hub.signing.manifest import canonical_json, compare, manifest, manifest_digest

SCHEMA = json.loads((Path(hub.__file__).parent / "schemas" / "manifest.json").read_text(encoding="utf-8"))


def converted(source: Path, target: Path, *encode: str) -> Path:
    convert(Request(source, target, encode=encode, options=Options()))
    return target


@pytest.fixture
def quantized(tiny_gguf: Path, tmp_path: Path) -> Path:
    """The tiny model with its matrices in Q4_0."""
    return converted(tiny_gguf, tmp_path / "tiny-q4.gguf", "Q4_0")


@pytest.mark.parametrize(
    ("number", "text"),
    # RFC 8785, appendix B: IEEE 754 bits and what ECMAScript writes.
    [
        ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"), ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"), ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"), ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"), ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"), ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_rfc_8785_writes_them(number: str, text: str) -> None:
    value = float(np.frombuffer(bytes.fromhex(number), ">f8")[0])
    assert canonical_json(value) == text.encode()


def test_equal_facts_have_one_spelling() -> None:
    # RFC 8785, 3.2.3: members sorted by UTF-16 code units, which puts U+1F600 before U+FB33.
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(dict.fromkeys(keys)))) == expected
    assert (
        canonical_json({"b": [1.0, True, None], "a": "\u20ac\n\x0f"})
        == b'{"a":"\xe2\x82\xac\\n\\u000f","b":[1,true,null]}'
    )
    assert canonical_json([float("nan"), float("-inf"), b"\0", 1 << 80]) == (
        b'["NaN","-Infinity","AA==",1208925819614629174706176]'
    )


def test_digests_are_of_the_bytes_that_hugging_face_would_hold(tiny_gguf: Path, tmp_path: Path) -> None:
    made = manifest(tiny_gguf)
    jsonschema.Draft202012Validator(SCHEMA).validate(made)
    # An independent path to the same bytes: the safetensors library reading what was written for Hugging Face.
    folder = converted(tiny_gguf, tmp_path / "folder")
    with safe_open(folder / "model.safetensors", "np") as file:
        for entry in made["tensors"]:
            array = file.get_tensor(entry["name"])
            assert (list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()) == (entry["shape"], entry["sha256"])
    assert [e["name"] for e in made["tensors"]] == sorted(load_file(folder / "model.safetensors"))


def test_a_manifest_does_not_depend_on_format_workers_or_memory(tiny_gguf: Path, tmp_path: Path) -> None:
    first = manifest(tiny_gguf, budget=Budget(1, 1 << 16))
    for name in ("same.apr", "same.safetensors"):
        again = manifest(converted(tiny_gguf, tmp_path / name), budget=Budget(4))
        again["config"] = first["config"]  # what a format adds to it is the comparison's affair
        assert manifest_digest(again) == manifest_digest(first)


@pytest.mark.parametrize("target", ["same.apr", "same.safetensors", "folder", "same.gguf"])
def test_another_format_holds_the_same_weights(tiny_gguf: Path, tmp_path: Path, target: str) -> None:
    found = compare(manifest(tiny_gguf), converted(tiny_gguf, tmp_path / target))
    assert found.same, [*map(str, found.departures)]
    assert (found.tensors, found.same_bytes, found.equal_values) == (12, 12, 0)


def test_quantized_blocks_are_the_same_in_another_format(quantized: Path, tmp_path: Path) -> None:
    made = manifest(quantized)
    assert "Q4_0" in {e["encoding"] for e in made["tensors"]}
    assert compare(made, converted(quantized, tmp_path / "same.apr")).same


def test_wider_and_back_is_the_same_and_a_rounding_is_not(tiny_gguf: Path, tmp_path: Path) -> None:
    half = converted(tiny_gguf, tmp_path / "half.gguf", "F16")
    wide = converted(half, tmp_path / "wide.safetensors", "F32")
    found = compare(manifest(half), wide)
    assert found.same
    assert found.equal_values > 0
    assert compare(manifest(wide), half).same  # nothing was lost either way
    rounded = compare(manifest(tiny_gguf), half)
    assert not rounded.same
    assert {d.kind for d in rounded.departures} == {"encoding"}
    # F32 values that round to the signed F16 ones are others all the same.
    assert not compare(manifest(half), tiny_gguf).same


def test_decoded_blocks_need_a_digest_of_their_values(quantized: Path, tmp_path: Path) -> None:
    wide = converted(quantized, tmp_path / "wide.safetensors", "F32")
    without = compare(manifest(quantized), wide)
    assert not without.same
    assert "hub sign --values" in str(without.departures[0])
    made = manifest(quantized, values=True)
    jsonschema.Draft202012Validator(SCHEMA).validate(made)
    assert compare(made, wide).same
    entry = next(e for e in made["tensors"] if "values_sha256" in e)
    values = load_file(wide)[entry["name"]]
    assert entry["values_sha256"] == hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    entry["values_sha256"] = "0" * 64
    assert [d.name for d in compare(made, wide).departures] == [entry["name"]]


@pytest.mark.parametrize("where", [0, -1])
def test_one_flipped_bit_names_its_tensor(tiny_gguf: Path, tmp_path: Path, where: int) -> None:
    signed = manifest(tiny_gguf)
    other = converted(tiny_gguf, tmp_path / "other.safetensors")
    weights = load_file(other)
    name = sorted(weights)[3]
    weights[name].reshape(-1).view(np.uint8)[where] ^= 1
    with safe_open(other, "np") as file:
        metadata = file.metadata()
    save_file(weights, other, metadata)
    found = compare(signed, other)
    assert [(d.kind, d.name) for d in found.departures] == [("differs", name)]
    assert not found.same


Edit = Callable[[dict[str, Any]], object]


def rename(weights: dict[str, Any]) -> None:
    weights["model.layers.0.mlp.gate_proj.weight.1"] = weights.pop("model.layers.0.mlp.gate_proj.weight")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda w: w.pop("lm_head.weight"), [("removed", "lm_head.weight")]),
        (lambda w: w.update(extra=np.ones(3, np.float32)), [("added", "extra")]),
        (rename, [("renamed", "model.layers.0.mlp.gate_proj.weight")]),
        (lambda w: w.update({"model.norm.weight": w["model.norm.weight"][:-1]}), [("shape", "model.norm.weight")]),
    ],
)  # fmt: skip
def test_tensors_that_come_go_and_change_names(
    tiny_gguf: Path, tmp_path: Path, edit: Edit, expected: list[tuple[str, str]]
) -> None:
    signed = manifest(tiny_gguf)
    other = converted(tiny_gguf, tmp_path / "other.safetensors")
    weights = load_file(other)
    edit(weights)
    with safe_open(other, "np") as file:
        metadata = file.metadata()
    save_file(weights, other, metadata)
    assert [(d.kind, d.name) for d in compare(signed, other).departures] == expected


def test_swapped_tensors_are_two_differences(tiny_gguf: Path, make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    def swap(weights: dict[str, Any]) -> None:
        a, b = "blk.0.attn_k.weight", "blk.0.attn_v.weight"
        weights[a], weights[b] = weights[b], weights[a]

    found = compare(manifest(tiny_gguf), make_gguf(tmp_path / "swapped.gguf", damage=swap))
    assert {d.name.split(".")[-2] for d in found.departures} == {"k_proj", "v_proj"}


def edit_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def test_an_edited_configuration_is_named_by_key(tiny_gguf: Path, tmp_path: Path) -> None:
    folder = converted(tiny_gguf, tmp_path / "folder")
    edit_json(folder / "config.json", rope_theta=5e5, transformers_version="9")
    found = compare(manifest(tiny_gguf), folder)
    assert [(d.kind, d.name, d.detail) for d in found.departures] == [
        ("config", "rope_theta", "was 10000, is 500000.0")
    ]
    assert any("transformers_version" in r for r in found.remarks)


def test_a_configuration_without_sense_is_not_the_signed_one(tiny_gguf: Path, tmp_path: Path) -> None:
    folder = converted(tiny_gguf, tmp_path / "folder")
    edit_json(folder / "config.json", num_attention_heads=0)
    with pytest.raises(BadSignature, match="num_attention_heads"):
        compare(manifest(tiny_gguf), folder)


def test_a_damaged_model_is_not_the_signed_one(tiny_gguf: Path) -> None:
    signed = manifest(tiny_gguf)
    tiny_gguf.write_bytes(tiny_gguf.read_bytes()[:-1000])
    with pytest.raises(BadSignature, match="cannot be read"):
        compare(signed, tiny_gguf)


def test_an_edited_tokenizer_is_named_by_part(tiny_gguf: Path, make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    other = make_gguf(tmp_path / "merge.gguf", merge="l o")
    assert [(d.kind, d.name) for d in compare(manifest(tiny_gguf), other).departures] == [("tokenizer", "merges")]
    signed = manifest(tiny_gguf)
    signed["tokenizer"]["special"]["bos"] = 3
    assert [d.name for d in compare(signed, tiny_gguf).departures] == ["special.bos"]
    assert [d.name for d in compare(manifest(tiny_gguf) | {"tokenizer": None}, tiny_gguf).departures] == ["tokenizer"]


def test_a_tie_and_a_copy_are_the_same(tiny_gguf: Path, make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    signed = manifest(tiny_gguf)
    tied = copy.deepcopy(signed)
    entries = {e["name"]: e for e in tied["tensors"]}
    tied["tensors"].remove(entries["lm_head.weight"])
    tied["ties"] = {"lm_head.weight": "model.embed_tokens.weight"}
    assert [(d.kind, d.name) for d in compare(tied, tiny_gguf).departures] == [("differs", "lm_head.weight")]

    def tie(weights: dict[str, Any]) -> None:
        weights["output.weight"] = weights["token_embd.weight"]

    copied = make_gguf(tmp_path / "copied.gguf", damage=tie)
    assert compare(tied, copied).same
    alone = compare(signed | {"ties": {"score.weight": "lm_head.weight"}}, tiny_gguf)
    assert [(d.kind, d.name) for d in alone.departures] == [("ties", "score.weight")]


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "hub.manifest/2"}, {"tensors": {}}, {"tensors": [{"name": "a"}]}, {"ties": {"a": "nothing"}},
        {"config": {}}, {"tokenizer": 3},
        {"tensors": [{"name": "a", "encoding": "F32", "shape": [-1], "sha256": "00"}]},
        {"tensors": [{"name": "a", "encoding": "F32", "shape": [1], "sha256": "00"}] * 2},
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(tiny_gguf: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile, match="manifest"):
        compare(manifest(tiny_gguf) | damage, tiny_gguf)


def test_nothing_compared_is_not_the_same(tmp_path: Path) -> None:
    empty = tmp_path / "empty.gguf"
    writer = gguf.GGUFWriter(empty, "none-known")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = compare(manifest(empty), empty)
    assert not found.same
    assert "nothing was compared" in str(found)
