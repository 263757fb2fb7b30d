"""The JSON notation: exact numbers, a portable generator, vectors that say what they are."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import hub_conformance
from hub.ir import ENCODINGS, F16, F32, Lazy, Model, Tensor, Tokenizer
from hub_conformance import vectors
from hub_conformance.notation import SCHEMA, aspects, differences, dump, generated, load, model_of, save, words
from hub_conformance.notation._numbers import from_bytes, to_bytes

SCHEMAS = Path(hub_conformance.__file__).parent / "schemas"
MASK = (1 << 64) - 1


def splitmix(seed: int, count: int) -> list[int]:
    """SplitMix64 as its authors wrote it: a state that is stepped."""
    out = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(z ^ (z >> 31))
    return out


def test_words_are_those_of_splitmix64() -> None:
    assert words(1234567, 0, 5).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
    assert words(MASK, 0, 40).tolist() == splitmix(MASK, 40)
    assert words(7, 11, 40).tolist() == splitmix(7, 40)[11:]


@pytest.mark.parametrize(("name", "bits"), [("F64", 53), ("F32", 24), ("F16", 11), ("BF16", 8)])
def test_uniform_values_are_what_the_formula_says(name: str, bits: int) -> None:
    tensor = generated("x", (3, 5), ENCODINGS[name], 9, "uniform")
    wanted = [(word >> (64 - bits)) / 2 ** (bits - 1) - 1 for word in splitmix(9, 15)]
    data = tensor.read()
    if name == "BF16":
        got = [struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, 30, 2)]
    else:
        got = list(struct.unpack(f"<15{ {'F64': 'd', 'F32': 'f', 'F16': 'e'}[name] }", data))
    assert got == wanted


@pytest.mark.parametrize("name", ["Q4_0", "Q6_K", "I8", "F16", "APR_Q8"])
def test_bits_are_the_words_bytes_wherever_reading_begins(name: str) -> None:
    tensor = generated("x", (7, 256), ENCODINGS[name], 3)
    stream = b"".join(word.to_bytes(8, "little") for word in splitmix(3, tensor.nbytes // 8 + 1))
    assert tensor.read() == stream[: tensor.nbytes]
    if tensor.rows.n > 1:
        width = tensor.rows.width
        assert tensor.rows.read(3, 5).tobytes() == stream[3 * width : 5 * width]


def test_encodings_without_uniform_values_say_so() -> None:
    with pytest.raises(ValueError, match="Q8_0 has no values 'uniform'"):
        generated("x", (1, 32), ENCODINGS["Q8_0"], 1, "uniform")


@pytest.mark.parametrize("name", ["F64", "F32", "F16", "BF16", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"])
def test_any_bits_come_back_from_numbers(name: str) -> None:
    encoding = ENCODINGS[name]
    data = words(5, 0, 512).tobytes()
    numbers = from_bytes(encoding, data)
    assert to_bytes(encoding, numbers) == data
    assert to_bytes(encoding, json.loads(json.dumps(numbers))) == data


def test_every_half_comes_back_from_its_number() -> None:
    data = np.arange(1 << 16, dtype="<u2").tobytes()
    for name in ("F16", "BF16"):
        assert to_bytes(ENCODINGS[name], from_bytes(ENCODINGS[name], data)) == data


@pytest.mark.parametrize(
    ("name", "number"),
    [("F16", 0.1), ("F32", "0x1.0000001p+0"), ("F32", "0x1p+200"), ("I8", 128), ("U8", -1), ("I8", 1.0), ("BOOL", 2),
     ("BF16", 1.01), ("I32", True)],
)  # fmt: skip
def test_a_number_that_the_encoding_has_not_is_an_error(name: str, number: Any) -> None:
    with pytest.raises((ValueError, OverflowError)):
        to_bytes(ENCODINGS[name], [number])


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return dict(json.loads((SCHEMAS / "model.json").read_text()))


@pytest.mark.parametrize("name", vectors.valid())
def test_a_vector_follows_the_schema_and_says_what_it_shows(name: str, schema: dict[str, Any]) -> None:
    document = vectors.document(name)
    jsonschema.validate(document, schema)
    assert document["shows"]
    model = model_of(document)
    assert all(tensor.read() is not None for tensor in model.tensors.values())
    assert set(model.ties.values()) <= set(model.tensors)


@pytest.mark.parametrize(
    "name", ["special-floats", "extreme-integers", "special-blocks", "llama-bpe", "companion-files"]
)
@pytest.mark.parametrize("digests", [False, True])
def test_a_model_comes_back_from_its_document(name: str, digests: bool, tmp_path: Path, schema: dict[str, Any]) -> None:
    model = model_of(vectors.document(name))
    document = dump(model, digests=digests)
    save(document, tmp_path / "model.json")
    read = json.loads((tmp_path / "model.json").read_text("utf-8"))
    jsonschema.validate(read, schema)
    assert differences(read, model) == []
    if not digests:
        assert differences(vectors.document(name), load(tmp_path / "model.json")) == []


def test_the_vectors_are_what_the_script_makes() -> None:
    from conformance.scripts.valid._models import models
    from conformance.scripts.valid._vectors import vectors as plain

    made = json.loads(json.dumps({**plain(), **models()}))
    assert made == {name: vectors.document(name) for name in vectors.valid()}


def test_the_vectors_cover_what_there_is() -> None:
    documents = [vectors.document(name) for name in vectors.valid()]
    entries = [entry for document in documents for entry in document["tensors"]]
    assert {entry["encoding"] for entry in entries} == ENCODINGS.keys()
    assert {len(entry["shape"]) for entry in entries} == {0, 1, 2, 3, 4, 5}
    assert {document["tokenizer"]["kind"] for document in documents if "tokenizer" in document} == {
        "bpe", "spm", "unigram", "wordpiece",
    }  # fmt: skip
    assert any(len(entry["name"]) == 1000 for entry in entries)


W = Tensor.from_bytes("w", (1, 2), F32, struct.pack("<2f", 1.0, 2.0))
BASE = Model({"w": W}, tokenizer=Lazy.of(Tokenizer("bpe", ["a"])), ties={"v": "w"}, files={"a": b"1"})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(BASE, tensors={}), "tensor 'w' is missing"),
        (replace(BASE, tensors={"w": W, "x": W}), "tensor 'x' is new"),
        (replace(BASE, tensors={"w": W.reshaped(1, 1, 2)}), "shape [1, 2] became [1, 1, 2]"),
        (replace(BASE, tensors={"w": Tensor.from_bytes("w", (1, 2), F16, bytes(4))}), "F32 became F16"),
        (replace(BASE, tensors={"w": Tensor.from_bytes("w", (1, 2), F32, bytes(8))}), "'w': bytes differ"),
        (replace(BASE, tokenizer=Lazy.of(None)), "tokenizer"),
        (replace(BASE, ties={}), "ties.v"),
        (replace(BASE, files={"a": b"2", "b": b""}), "file 'b' is new"),
        (replace(BASE, naming="native"), "naming: hf became native"),
        (replace(BASE, source=Lazy.of({}), metadata={"format": "X"}), ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("digests", [False, True])
def test_differences_are_named(other: Model, expected: str, digests: bool) -> None:
    found = differences(dump(BASE, digests=digests), other)
    assert (expected in found[0]) if expected else found == []
    assert not expected or any(
        aspects(BASE, other, aspect) for aspect in ("tensors", "tokenizer", "ties", "files", "naming")
    )


def test_a_document_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"schema": SCHEMA + "0", "tensors": []}))
    with pytest.raises(ValueError, match="no hub.model/1 document"):
        load(tmp_path / "x.json")


def test_numbers_known_by_digest_only_cannot_be_read() -> None:
    model = model_of(dump(BASE, digests=True))
    with pytest.raises(ValueError, match="holds a digest"):
        model.tensors["w"].read()
