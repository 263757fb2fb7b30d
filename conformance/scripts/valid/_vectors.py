"""Vectors without an architecture: encodings, numbers, shapes, names, and what lies beside the tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.ir import ENCODINGS
from hub_conformance.notation import SCHEMA

Document = dict[str, Any]
Entry = dict[str, Any]

_SEED = 0x5EED
_FLOATS = {
    "F64": ["0x0p+0", "-0x0p+0", "0x1p+0", "-0x1.921fb54442d18p+1", "0x1.fffffffffffffp+1023", "0x1p-1022",
            "0x0.0000000000001p-1022", "inf", "-inf", "nan(0x7ff8000000000000)", "nan(0xfff8000000000001)",
            "nan(0x7ff4000000000000)"],
    "F32": ["0x0p+0", "-0x0p+0", "0x1p+0", "-0x1.921fb6p+1", "0x1.fffffep+127", "0x1p-126", "0x0.000002p-126", "inf",
            "-inf", "nan(0x7fc00000)", "nan(0xffc12345)", "nan(0x7fa00001)"],
    "F16": ["0x0p+0", "-0x0p+0", "0x1p+0", "-0x1.92p+1", "0x1.ffcp+15", "0x1p-14", "0x0.004p-14", "inf", "-inf",
            "nan(0x7e00)", "nan(0xfe01)", "nan(0x7d01)"],
    "BF16": ["0x0p+0", "-0x0p+0", "0x1p+0", "-0x1.92p+1", "0x1.fep+127", "0x1p-126", "0x0.02p-126", "inf", "-inf",
             "nan(0x7fc0)", "nan(0xffc1)", "nan(0x7fa1)"],
}  # fmt: skip


def document(shows: str, tensors: list[Entry], **rest: Any) -> Document:
    """A vector without an architecture: tensors under names of their own."""
    about = {"metadata": {"architecture": "conformance"}, **rest}
    return {"schema": SCHEMA, "shows": shows, "naming": "native", "tensors": tensors, **about}


def seeded(name: str, shape: list[int], encoding: str = "F32", way: str | None = None) -> Entry:
    """A tensor of numbers from a seed that its name gives."""
    way = way or ("uniform" if encoding in {"F64", "F32", "F16", "BF16"} else "bits")
    seed = _SEED + sum(byte * 257**at for at, byte in enumerate(name.encode()[:6]))
    return {"name": name, "encoding": encoding, "shape": shape, "seed": seed, "way": way}


def of_encoding(name: str, rows: int = 3) -> Entry:
    """A matrix of two blocks a row; truth values are bytes that must be 0 or 1."""
    if name == "BOOL":
        return {"name": "bool", "encoding": name, "shape": [2, 5], "values": [bool(i % 3) for i in range(10)]}
    return seeded(name.lower(), [rows, 2 * ENCODINGS[name].block if ENCODINGS[name].block > 1 else 7], name)


def encodings() -> Iterator[tuple[str, Document]]:
    """One vector for each encoding, and one with them all."""
    for name, encoding in ENCODINGS.items():
        entries = [of_encoding(name)]
        if name not in {"BOOL"}:
            entries.append(seeded(f"{name.lower()}.bits", [2, 4 * encoding.block], name, "bits"))
        yield f"encoding-{name.lower()}", document(f"{name}, by value and as any bits", entries)
    small = {"name": "u64", "encoding": "U64", "shape": [1, 3], "values": [0, 1, 2**63 - 1]}
    whole = [of_encoding(name, 2) for name in ENCODINGS if name not in {"C64", "U64"}]
    yield "every-encoding", document("all encodings that have numbers, in one model", [*whole, small])


def numbers() -> Iterator[tuple[str, Document]]:
    """Numbers at the ends of what an encoding holds, one by one."""
    floats = [{"name": n.lower(), "encoding": n, "shape": [3, 4], "values": v} for n, v in _FLOATS.items()]
    yield "special-floats", document("zeros, subnormals, extremes, infinities, NaN with their bits", floats)
    integers = []
    for name, encoding in ENCODINGS.items():
        if encoding.kind in {"int", "uint"}:
            bits, signed = 8 * encoding.nbytes, encoding.kind == "int"
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            values = [low, high, 0, 1, high - 1, low + 1]
            integers.append({"name": name.lower(), "encoding": name, "shape": [2, 3], "values": values})
    yield "extreme-integers", document("the least and the largest of every integer", integers)
    blocks = [
        {"name": "q8", "encoding": "Q8_0", "shape": [2, 32], "rows": ["003c" + "7f" * 32, "00bc" + "81" * 32]},
        {"name": "q4", "encoding": "Q4_0", "shape": [1, 32], "rows": ["0080" + "f0" * 16]},
        {"name": "nan", "encoding": "Q8_0", "shape": [1, 32], "rows": ["007e" + "01" * 32]},
        {"name": "inf", "encoding": "Q4_1", "shape": [1, 32], "rows": ["007c00fc" + "10" * 16]},
    ]
    yield "special-blocks", document("blocks byte by byte: scales that are negative zero, infinite and NaN", blocks)


def shapes() -> Iterator[tuple[str, Document]]:
    """Shapes that are easy to get wrong."""
    scalar = {"name": "scalar", "encoding": "F32", "shape": [], "values": ["0x1.8p+0"]}
    yield "shape-scalar", document("a tensor of no dimensions", [scalar, seeded("beside", [2, 3])])
    yield "shape-empty", document("tensors without values between others", [
        seeded("first", [2, 3]), seeded("none", [0]), seeded("no-rows", [0, 4]), seeded("no-columns", [4, 0]),
        seeded("last", [3, 2])])  # fmt: skip
    yield "shape-prime", document("lengths that nothing divides", [
        seeded("vector", [97]), seeded("matrix", [7, 13]), seeded("box", [3, 5, 11], "F16"), seeded("odd", [1, 1, 1]),
        seeded("bytes", [13, 7], "I8")])  # fmt: skip
    yield "shape-ones", document("dimensions of one, which must not be dropped", [
        seeded("row", [1, 8]), seeded("column", [8, 1]), seeded("deep", [1, 8, 1]),
        seeded("four", [1, 1, 2, 1])])  # fmt: skip
    yield "shape-four", document("four dimensions", [
        seeded("kernel", [4, 3, 2, 5]), seeded("blocks", [2, 3, 2, 32], "Q8_0")])  # fmt: skip
    yield "shape-five", document("five dimensions", [seeded("video", [2, 3, 2, 2, 4])])
    yield "shape-three-blocks", document("blocks in three dimensions", [
        seeded("experts", [3, 4, 64], "Q4_0"), seeded("more", [2, 3, 256], "Q4_K")])  # fmt: skip
    yield "shape-partial-block", document("rows that end within a block", [
        seeded("q8", [3, 33], "Q8_0"), seeded("q4", [5, 100], "Q4_0"), seeded("k", [2, 300], "Q6_K")])  # fmt: skip
    yield "large", document("tensors that are copied in several pieces", [
        seeded("wide", [3, 150_001]), seeded("tall", [150_001, 3], "F16"),
        seeded("blocks", [521, 1024], "Q4_0")])  # fmt: skip
    many = [seeded(f"layer.{(i * 37) % 211}.weight", [1 + i % 3, 4], "F16" if i % 2 else "F32") for i in range(211)]
    yield "many", document("many small tensors", many)


def names() -> Iterator[tuple[str, Document]]:
    """Names of tensors that are easy to get wrong."""
    texts = ["größe", "層.重み", "вес", "emoji.\N{ROCKET}\N{GRINNING FACE}", "e\u0301", "\u00e9", "\u202eright-to-left"]
    yield "names-unicode", document("names in Unicode; two that differ by their normal form only", [
        seeded(text, [1, 4]) for text in texts])  # fmt: skip
    yield "names-long", document("names of 1,000 characters that differ at their end", [
        seeded("n" * 999 + end, [2, 3]) for end in "ab"])  # fmt: skip
    odd = [
        "a b",
        "a/b",
        "a\\b",
        "a.b..c",
        'quote"d',
        "per%cent",
        "{brace}",
        "A",
        "a",
        "0",
        "-",
        "..",
        "__class__",
        "a:b",
    ]
    yield (
        "names-odd",
        document("names with signs that mean something elsewhere", [seeded(text, [1, 3]) for text in odd]),
    )
    plain = ["w", "w.weight", "w.weight.weight", "weight"]
    yield "names-prefix", document("names that begin with each other", [seeded(text, [1, 3]) for text in plain])


def documents() -> Iterator[tuple[str, Document]]:
    """What lies beside the tensors."""
    weights = [seeded("weight", [2, 4])]
    config = {
        "text": "a\n\"b\" \\ \u00e9 \N{ROCKET}", "empty": "", "integer": 2**53 + 1, "large": 2**63, "negative": -7,
        "small": 1e-05, "huge": 1.7976931348623157e308, "tiny": 5e-324, "tenth": 0.1, "yes": True, "no": False,
        "nothing": None, "list": [1, "two", 3.5, None, [4]], "object": {"key": {"key": [{}]}}, "empty_list": [],
        "empty_object": {}, "key with spaces": 1, "\u00e9": 2,
    }  # fmt: skip
    yield "config-types", document("every type of value in the configuration", weights, config=config)
    metadata = {
        "architecture": "conformance", "name": "Conformance", "author": "N. N.",
        "description": "Two\nlines \u2014 \u00e9", "license": "apache-2.0", "version": "1.0",
        "tags": ["one", "two"], "language": ["en", "de"],
        "number": 7, "float": 0.25, "flag": True, "object": {"a": [1, 2]},
    }  # fmt: skip
    yield "metadata-types", document("every type of value in what a model card says", weights, metadata=metadata)
    files = {
        "README.md": {"text": "# Conformance\n\n\u00e9 \N{ROCKET}\n"}, "LICENSE": {"text": "Apache-2.0\n"},
        "empty.txt": {"text": ""}, "folder/inner.json": {"text": "{\"a\": 1}\n"},
        "lines.txt": {"text": "carriage\r\nreturn\n"}, "long.txt": {"text": "0123456789abcdef" * 2000},
    }  # fmt: skip
    yield "companion-files", document("companion files verbatim", weights, files=files)
    source = {"elsewhere": {"keys": [{"name": "a", "value": 1}, {"name": "\u00e9", "value": [0.1, None, True]}]}}
    yield "foreign-source", document("what another format's reader will need", weights, source=source)
    yield "ties-native", document("a tie between tensors that no table knows", weights, ties={"other": "weight"})
    yield "native", document("an architecture that is in no table, with everything else", [
        seeded("encoder.weight", [6, 32]), seeded("decoder.weight", [4, 64], "Q8_0"), seeded("bias", [6])],
        config={"hidden": 32, "rate": 0.1}, metadata={"architecture": "conformance", "name": "Native"},
        files={"NOTICE": {"text": "as it is\n"}}, source={"elsewhere": {"a": 1}})  # fmt: skip


def vectors() -> dict[str, Document]:
    """All of them, by name."""
    return {name: made for make in (encodings, numbers, shapes, names, documents) for name, made in make()}
