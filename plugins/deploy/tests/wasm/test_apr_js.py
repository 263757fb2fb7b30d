"""The page's script beside the program: the same GGUF, byte for byte, from every architecture; and damaged files."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub import targets
from hub.architectures import family
from hub.codecs import recode
from hub.interface import Options
from hub.ir import ENCODINGS, Config, Model, Tensor
from hub.pipeline import Request, convert

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[4] / "tests" / "architectures" / "transformers.json").read_text()
)
WASM = Options(target="wasm")
# Their configurations leave out what only transformers' code knows.
UNSTATED = {"llama_minimal", "olmo", "olmo_clip"}

Convert = Callable[[list[Path]], list[dict[str, Any]]]


def made(case: Mapping[str, Any], encoding: str) -> Model:
    """A model of the case's shapes, random values in `encoding` where it fits."""
    rng, wanted, tensors = np.random.default_rng(1), ENCODINGS[encoding], {}
    for name, sizes in case["tensors"].items():
        shape = tuple(sizes)
        plain = Tensor.from_bytes(name, shape, ENCODINGS["F32"], rng.normal(size=shape).astype(np.float32).tobytes())
        fits = wanted.block == 1 or (len(shape) > 1 and shape[-1] % wanted.block == 0)
        data = recode(plain, wanted).read() if fits else plain.read()
        tensors[name] = Tensor.from_bytes(name, shape, wanted if fits else plain.encoding, data)
    known = family(case["config"])
    tied = known is not None and known.head and known.head[0] not in tensors
    return Model(tensors, Config(case["config"]), ties=dict([known.head]) if tied and known and known.head else {})


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("F32", tuple(CASES.keys() - UNSTATED)),
        ("BF16", ("gemma", "gptneox", "llama_attention_bias", "phi3")),
        ("Q8_0", ("gpt2", "llama", "mixtral", "phi3")),
    ],
)
def test_every_architecture_becomes_the_gguf_that_the_program_writes(
    encoding: str, names: tuple[str, ...], to_gguf: Convert, tmp_path: Path
) -> None:
    wanted: dict[str, list[str]] = {}
    for name in names:
        apr, gguf = tmp_path / f"{name}.apr", tmp_path / f"{name}.gguf"
        convert(Request(made(CASES[name], encoding), apr, options=WASM, check=False))
        convert(Request(apr, gguf, check=False))
        wanted[str(apr)] = [sha256(gguf.read_bytes()).hexdigest()]
    said = to_gguf([Path(path) for path in wanted])
    assert {one["file"]: one.get("parts", one.get("error")) for one in said} == wanted


def test_a_gguf_of_several_files_is_made_too(to_gguf: Convert, tiny: Path, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setitem(targets.TARGETS, "wasm", replace(targets.TARGETS["wasm"], largest=60_000))
    convert(Request(tiny, tmp_path / "tiny.apr", options=WASM))
    convert(Request(tmp_path / "tiny.apr", tmp_path / "tiny.gguf", options=Options(shard_size=60_000)))
    parts = sorted(tmp_path.glob("tiny-*.gguf"))
    assert len(parts) > 2
    (said,) = to_gguf([tmp_path / "tiny.apr"])
    assert said["parts"] == [sha256(part.read_bytes()).hexdigest() for part in parts]


@pytest.fixture(scope="module")
def apr(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("apr") / "tiny.apr"
    convert(Request(tiny, path, options=WASM))
    return path.read_bytes()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def edited(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A file whose block was changed, and whose checksums fit again."""
    (size, index, start) = struct.unpack_from("<IQQ", data, 20)
    metadata = json.loads(data[64 : 64 + size])
    change(metadata)
    text = json.dumps(metadata).encode()
    shift = -(-len(text) // 64) * 64 + 64 - index
    head = bytearray(data[:64])
    struct.pack_into("<IQQ", head, 20, len(text), index + shift, start + shift)
    struct.pack_into("<I", head, 40, zlib.crc32(bytes(head[:40] + head[44:64])))
    whole = (bytes(head) + text).ljust(index + shift, b"\0") + data[index:-4]
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def block(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda metadata: metadata["hub.gguf"].update(parts)


def first(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda metadata: metadata["hub.gguf"]["parts"][0].update(parts)


NAME = "model.norm.weight"
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another file": (lambda d: b"GGUF" + d[4:], "this is no APR"),
    "an empty file": (lambda d: d[:0], "the header would lie at bytes 0 to 64, the file has 0"),
    "a bit of the header": (lambda d: flipped(d, 26), "the header does not fit its checksum"),
    "a bit of the metadata": (lambda d: flipped(d, 200), "does not fit its checksum"),
    "a bit of a tensor": (lambda d: flipped(d, len(d) - 100), "does not fit its checksum"),
    "a bit of the checksum": (lambda d: flipped(d, len(d) - 1), "does not fit its checksum"),
    "the end cut off": (lambda d: d[: len(d) // 2], "wrong or missing"),
    "no block": (lambda d: edited(d, lambda m: m.pop("hub.gguf")), "hub convert MODEL.apr NEW.apr --target wasm"),
    "a later block": (lambda d: edited(d, block(version=2)), "is of version 2, 1 is known"),
    "no zlib stream": (lambda d: edited(d, first(head={"hub.zlib": "AAAA", "size": 9})), "does not inflate"),
    "a bomb": (lambda d: edited(d, first(head={"hub.zlib": "AAAA", "size": 1 << 40})), "announces 1099511627776 bytes"),
    "an unknown tensor": (lambda d: edited(d, first(tensors=[[9000, [{"of": "x"}]]])), "a tensor x that is not in"),
    "a place that is taken": (lambda d: edited(d, first(tensors=[[5, [{"of": NAME}]]])), "where there is no room"),
    "a place outside": (lambda d: edited(d, first(size=9000, tensors=[[8999, [{"of": NAME}]]])), "into a file of 9000"),
    "rows that are none": (
        lambda d: edited(d, first(tensors=[[9000, [{"of": NAME, "width": 7, "rows": 0}]]])), "has no rows of 7 bytes",
    ),
    "a row too many": (
        lambda d: edited(edited(d, block(moves=[[0, 99]])),
                         first(tensors=[[9000, [{"of": NAME, "width": 4, "rows": 0}]]])), "asks for row 99",
    ),
}  # fmt: skip


def test_an_edit_that_changes_nothing_is_read(apr: bytes, to_gguf: Convert, tmp_path: Path) -> None:
    for name, data in {"a": apr, "b": edited(apr, block())}.items():
        (tmp_path / f"{name}.apr").write_bytes(data)
    a, b = to_gguf([tmp_path / "a.apr", tmp_path / "b.apr"])
    assert a["parts"] == b["parts"]


def test_what_is_damaged_is_refused_and_the_reason_said(apr: bytes, to_gguf: Convert, tmp_path: Path) -> None:
    for number, (damage, _) in enumerate(DAMAGE.values()):
        (tmp_path / f"{number:02}.apr").write_bytes(damage(apr))
    said = to_gguf(sorted(tmp_path.glob("*.apr")))
    for (name, (_, expected)), one in zip(DAMAGE.items(), said, strict=True):
        assert expected in one.get("error", "accepted"), name
