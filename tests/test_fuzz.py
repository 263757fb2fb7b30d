"""Mutants of small valid files: whatever the bytes say, only the hub's own errors come out, and each is one line.

The seeds are fixed. Memory is limited, so that a count gone wild cannot be allocated; a hang ends in pytest's timeout.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import codecs
from hub.cli import main
from hub.errors import HubError, PluginError
from hub.interface import Format
from hub.opening import open_model
from hub.pipeline import Request, convert
from hub.plugins import registry

resource = pytest.importorskip("resource")

Mutation = Callable[[bytearray, int, random.Random], None]

MUTANTS = 100
ROOM = 1 << 30
COUNTS = (0, 1, 255, 65535, 2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
VALUES = (
    b"-1", b"0", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'""', b'"x"', b"1.5", b"[[1]]", b'{"a":1}',
    b"9" * 40, b"9" * 5000, b'"\\ud800"', b'"../x"', b"[" * 3000,
)  # fmt: skip
ODD: tuple[Any, ...] = (
    -1, 0, 1.5, None, True, [], {}, "", "x", "\ud800", 10**30, 2**63, float("nan"), [1], [[1]], {"a": 1}, [None],
)  # fmt: skip


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # mutations, not secrets


def flip(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] ^= 1 << rng.randrange(8)


def cut(data: bytearray, at: int, rng: random.Random) -> None:  # noqa: ARG001  # all mutations are called alike
    del data[at:]


def splice(data: bytearray, at: int, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[at : at + 16] = data[start : start + rng.randrange(1, 40)]


def count(data: bytearray, at: int, rng: random.Random) -> None:
    data[at : at + 8] = rng.choice(COUNTS).to_bytes(8, "little")


def scatter(data: bytearray, at: int, rng: random.Random) -> None:
    for _ in range(rng.randrange(2, 10)):
        data[(at + rng.randrange(200)) % len(data)] = rng.randrange(256)


def drop(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + rng.randrange(1, 16)]


def reword(data: bytearray, at: int, rng: random.Random) -> None:
    """Another JSON value in the place of a number, or in the middle of nowhere."""
    end = at
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    data[at:end] = rng.choice(VALUES)


MUTATIONS: tuple[Mutation, ...] = (flip, flip, cut, splice, count, scatter, drop, reword)


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if soft < 0 else 0
    limit = used + ROOM if used else soft
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def valid(make_gguf: Callable[..., Path], tmp_path: Path) -> dict[str, list[Path]]:
    """Valid files by format."""
    source = make_gguf(tmp_path / "valid.gguf")
    made = {"apr": "valid.apr", "packed": "packed.apr", "safetensors": "valid.safetensors", "folder": "folder"}
    for name, file in made.items():
        convert(Request(source, tmp_path / file, encode=["q8_0"] if name == "packed" else []))
    files = {name: [tmp_path / file] for name, file in made.items()}
    return {"gguf": [source], "apr": files["apr"] + files["packed"], **{n: files[n] for n in ("safetensors", "folder")}}


def sealed(data: bytes) -> bytes:
    """An APR file with its two checksums made right, so that a reader looks at what they cover."""
    if len(data) < 68 or data[:3] != b"APR":
        return data
    crc = zlib.crc32(data[44:64], zlib.crc32(data[:40])).to_bytes(4, "little")
    data = data[:40] + crc + data[44:-4]
    return data + zlib.crc32(data).to_bytes(4, "little")


def mutants(path: Path, seed: int) -> Iterator[bytes]:
    rng, valid = seeded(seed), path.read_bytes()
    head = min(len(valid), 6000)
    for _ in range(MUTANTS):
        data = bytearray(valid)
        for _ in range(rng.choice((1, 1, 1, 2))):
            at = rng.randrange(min(head, len(data)) if rng.random() < 0.9 else len(data)) if data else 0
            if data:
                rng.choice(MUTATIONS)(data, at, rng)
        yield sealed(bytes(data)) if path.suffix == ".apr" and rng.random() < 0.9 else bytes(data)


def use(fmt: Format, path: Path) -> None:
    """Everything that reading a model means, and planning to write it."""
    model = open_model(path, fmt.name)[1]
    tokenizer = model.tokenizer.get()
    if tokenizer is not None:
        assert len(list(tokenizer.tokens)) == len(tokenizer.tokens)
    model.source.get()
    for tensor in model.tensors.values():
        if codecs.can_decode(tensor.encoding):
            codecs.span(tensor, max(0, tensor.size - 8), tensor.size)
    for target in registry().formats.values():
        convert(Request(path, path.with_name("none"), fmt.name, target.name, dry_run=True))


def survives(fmt: Format, path: Path) -> bool:
    """Use and validate `path`; True when it could be used. Anything raised but a `HubError` of one line fails."""
    list(fmt.validate(path))
    try:
        use(fmt, path)
    except PluginError:
        raise
    except HubError as error:
        said = str(error)
    else:
        return True
    assert "\n" not in said
    return False


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["gguf", "apr", "safetensors"])
def test_no_mutant_of_a_file_breaks_its_reader(name: str, valid: dict[str, list[Path]], tmp_path: Path) -> None:
    fmt, used = registry().named(name), 0
    for seed, path in enumerate(valid[name]):
        for data in mutants(path, seed):
            mutant = tmp_path / f"mutant{path.suffix}"
            mutant.write_bytes(data)
            used += survives(fmt, mutant)
    assert 0 < used < MUTANTS * len(valid[name])


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON document."""
    found = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(found)[:40]:
        yield document, key
        if isinstance(value, dict | list):
            yield from places(value)


@pytest.mark.timeout(60)
def test_no_odd_value_in_a_folders_documents_breaks_its_reader(valid: dict[str, list[Path]]) -> None:
    fmt, (folder,), rng = registry().named("safetensors"), valid["folder"], seeded(3)
    texts = [p for p in sorted(folder.iterdir()) if p.suffix == ".json"]
    used = 0
    for _ in range(MUTANTS):
        path = rng.choice(texts)
        before = path.read_bytes()
        document = json.loads(before)
        container, key = rng.choice(list(places(document)))
        container[key] = rng.choice(ODD)
        path.write_text(json.dumps(document), encoding="utf-8")
        used += survives(fmt, folder)
        path.write_bytes(before)
    assert 0 < used < MUTANTS


@pytest.mark.timeout(60)
def test_every_command_ends_mutants_with_a_verdict(
    valid: dict[str, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, ends = seeded(4), set()
    for path in [p for name in ("gguf", "apr", "safetensors") for p in valid[name]]:
        for data in list(mutants(path, 9))[:12]:
            mutant = tmp_path / f"mutant{path.suffix}"
            mutant.write_bytes(data)
            command = rng.choice(["inspect", "tensors", "check", "validate"])
            code = main([command, str(mutant), "--json"])
            out, err = capsys.readouterr()
            assert code in ({0, 2} if command in {"inspect", "tensors"} else {0, 1, 2}), (command, err)
            assert "HUB_DEBUG" not in err
            assert err.count("\n") == (code == 2)
            assert (json.loads(out)["schema"] == f"hub.{command}/1") if code < 2 else not out
            ends.add(code)
    assert ends == {0, 1, 2}
