"""The compiled kernels give NumPy's bits, at every level of instructions that this machine has."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import reference
from hub.codecs.native import Compiled, compiled, sums
from hub.codecs.native import _build as build
from hub.codecs.native._library import loaded
from hub.ir import ENCODINGS, Bytes, Encoding

Floats = NDArray[np.float32]
Stored = Callable[[Encoding, int, int], Bytes]
NAMES = sorted(Compiled.decodes)
LEVELS = {"best": 0, "AVX2 at most": 1, "portable": 2}
COUNT = 256 * 39  # an odd number of the largest blocks


@pytest.fixture(params=LEVELS, scope="module")
def codec(request: pytest.FixtureRequest) -> Compiled:
    found = compiled(LEVELS[request.param])
    if found is None:
        pytest.skip("the kernels are not built: run hub/codecs/native/_build.py where a C++ compiler is")
    return found


def _wild() -> dict[str, Floats]:
    generator = np.random.default_rng(3)

    def powers(run: int) -> NDArray[np.float64]:
        return np.repeat(10.0 ** generator.integers(-44, 38, COUNT // run), run)

    normal = generator.normal(0, 1, COUNT)
    signed_zeros = generator.choice(np.array([0, -0.0, 1], np.float32), COUNT)
    return {
        "each of its own scale": normal * powers(1),
        "sub-blocks of their own scale": normal * np.repeat(powers(32), 1),
        "blocks of their own scale": normal * np.repeat(powers(COUNT // 39), 1),
        "one value a sub-block": np.repeat(generator.normal(0, 1, COUNT // 32), 32),
        "all below zero": -generator.uniform(1, 2, COUNT),
        "mostly zeros": np.where(generator.random(COUNT) < 0.95, 0, normal),
        "signs of zero": signed_zeros,
        "halves": generator.integers(-254, 255, COUNT) / 2,
        "any bits": generator.integers(0, 1 << 32, COUNT, dtype=np.uint32).view(np.float32),
        "any finite bits": generator.integers(0, 0x7F800000, COUNT, dtype=np.uint32).view(np.float32),
    }  # fmt: skip


WILD = {
    name: np.asarray(values, np.float32)[None] for name, values in _wild().items()
}  # float64 beyond float32 is infinite


@pytest.mark.parametrize("name", NAMES)
def test_encoding_hard_values(name: str, codec: Compiled, hard: Floats) -> None:
    encoding = ENCODINGS[name]
    assert codec.encode(encoding, hard).tobytes() == reference.encode(encoding, hard).tobytes()


@pytest.mark.parametrize("kind", WILD)
@pytest.mark.parametrize("name", NAMES)
def test_encoding_wild_values(name: str, kind: str, codec: Compiled) -> None:
    encoding, x = ENCODINGS[name], WILD[kind]
    assert codec.encode(encoding, x).tobytes() == reference.encode(encoding, x).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_decoding_any_bits(name: str, codec: Compiled, stored: Stored) -> None:
    encoding = ENCODINGS[name]
    raw = stored(encoding, 37, 1280)
    assert codec.decode(encoding, raw, 1280).tobytes() == reference.decode(encoding, raw, 1280).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_decoding_what_was_encoded(name: str, codec: Compiled, hard: Floats) -> None:
    encoding = ENCODINGS[name]
    raw = reference.encode(encoding, hard)
    assert codec.decode(encoding, raw, 512).tobytes() == reference.decode(encoding, raw, 512).tobytes()


@pytest.mark.parametrize("new", ["F16", "BF16", "Q8_0", "Q4_K", "Q6_K", "IQ4_NL"])
@pytest.mark.parametrize("old", NAMES)
def test_going_from_one_to_another(old: str, new: str, codec: Compiled) -> None:
    first, second, rows, columns = ENCODINGS[old], ENCODINGS[new], 7, 768  # no whole number of steps
    x = np.random.default_rng(5).normal(0, 1, (rows, columns)).astype(np.float32)
    x[2] *= 2e9  # more than float16 holds: a scale becomes infinite
    x[3] = 0
    raw = reference.encode(first, x)
    got = codec.recode(first, second, raw)
    assert got is not None
    want = reference.encode(second, reference.decode(first, raw, columns))
    sound = [0, 1, 3, 4, 5, 6] if not np.isfinite(reference.decode(first, raw, columns)).all() else slice(None)
    assert got[sound].tobytes() == want[sound].tobytes()  # what NumPy makes of NaN depends on where it lies


@pytest.mark.parametrize("old", NAMES)
def test_going_to_float16_with_any_bits(old: str, codec: Compiled, stored: Stored) -> None:
    first, raw = ENCODINGS[old], stored(ENCODINGS[old], 7, 768)
    got = codec.recode(first, ENCODINGS["F16"], raw)
    assert got is not None
    assert got.tobytes() == reference.encode(ENCODINGS["F16"], reference.decode(first, raw, 768)).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_begin_anywhere(name: str, codec: Compiled, stored: Stored) -> None:
    encoding = ENCODINGS[name]
    raw = stored(encoding, 3, 2048)
    odd = np.empty(raw.size + 1, np.uint8)[1:].reshape(raw.shape)
    odd[:] = raw
    assert codec.decode(encoding, odd, 2048).tobytes() == reference.decode(encoding, raw, 2048).tobytes()
    got = codec.recode(encoding, ENCODINGS["F16"], odd)
    assert got is not None
    again = codec.recode(encoding, ENCODINGS["F16"], raw)
    assert again is not None
    assert got.tobytes() == again.tobytes()


def test_threads(codec: Compiled, in_threads: Callable[[Callable[[], Bytes]], list[Bytes]]) -> None:
    encoding, x = ENCODINGS["Q4_K"], WILD["any bits"]
    want = reference.encode(encoding, x).tobytes()
    assert {r.tobytes() for r in in_threads(lambda: codec.encode(encoding, x))} == {want}


def test_a_library_of_other_sources_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.library().name
    shutil.copytree(build.SOURCES, tmp_path / "src")
    (tmp_path / "src" / "half.h").write_text("// another\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "src")
    assert build.library().name != before


def _run(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "_build.py")]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    shutil.copy(build.HERE / "_build.py", tmp_path)
    shutil.copytree(build.SOURCES, tmp_path / "src")
    return tmp_path


def test_no_compiler_is_no_failure_of_the_build(elsewhere: Path) -> None:
    done = _run(elsewhere, {"PATH": "", "CXX": ""})
    assert done.returncode == 1
    assert done.stderr == "hub: no C++ compiler found: codecs stay with NumPy\n"
    assert not list(elsewhere.glob("kernels-*"))


def test_a_compiler_that_fails_leaves_nothing(elsewhere: Path) -> None:
    if build.compiler() is None:
        pytest.skip("no C++ compiler is installed")
    (elsewhere / "src" / "half.h").write_text("#error no\n")
    done = _run(elsewhere, {})
    assert done.returncode == 1
    assert done.stderr.startswith("hub: the kernels were not built, codecs stay with NumPy: ")
    assert sorted(p.name for p in elsewhere.iterdir()) == ["_build.py", "src"]


def test_a_library_that_does_not_load_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "kernels.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr("hub.codecs.native._library.library", lambda: broken)
    assert loaded.__wrapped__() is None
    with pytest.raises(OSError, match=r"kernels\.so"):
        ctypes.CDLL(str(broken))


@pytest.mark.parametrize("other", ["F16", "BF16", "F32", "Q4_1"])
@pytest.mark.parametrize("name", NAMES)
def test_two_stored_tensors_are_compared_as_their_values_are(codec: Compiled, name: str, other: str) -> None:
    rows, columns = 3, 256 * 5
    values = np.random.default_rng(8).normal(size=(rows, columns)).astype(np.float32)
    kinds = ENCODINGS[name], ENCODINGS[other]
    stored = [reference.encode(kind, values) for kind in kinds]
    stored[1][1, 77] ^= 1
    a, b = (reference.decode(k, s, columns).reshape(-1).astype(np.float32) for k, s in zip(kinds, stored, strict=True))
    seen = codec.compare(kinds[0], kinds[1], stored[0], stored[1], values.size, values.size)
    assert seen is not None
    wanted = sums(a, b, codec.level)
    assert wanted is not None
    assert seen[:3] == wanted[:3]
    assert seen == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("bit", [0, 9, 15])
@pytest.mark.parametrize("place", [0, 1023, 1024, 3 * 1280 - 1])
def test_one_flipped_bit_in_what_is_stored_is_found_where_it_is(codec: Compiled, place: int, bit: int) -> None:
    halves = np.random.default_rng(9).normal(size=(3, 1280)).astype(np.float16)
    damaged = halves.copy()
    damaged.reshape(-1).view(np.uint16)[place] ^= np.uint16(1 << bit)
    kinds = ENCODINGS["F16"], ENCODINGS["F16"]
    seen = codec.compare(*kinds, halves.view(np.uint8), damaged.view(np.uint8), halves.size, halves.size)
    assert seen is not None
    assert (seen.different, seen.first) == (1, place)


def test_a_block_that_is_left_to_the_reference_is_not_compared(codec: Compiled) -> None:
    halves = np.zeros((2, 1280), np.float16)
    halves[1, 700] = np.nan
    kinds = ENCODINGS["F16"], ENCODINGS["F32"]
    same = halves.astype(np.float32)
    assert codec.compare(*kinds, halves.view(np.uint8), same.view(np.uint8), halves.size, halves.size) is None
