"""Models of other formats as GGUF: made once, found again, never of a source that has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.cli import main
from hub.errors import DamagedFile, HubError, UsageError
from hub_runtime.bridge import Cache, as_gguf, refuse_damaged
from hub_runtime.bridge import _gguf as bridge

IN_A_PROCESS = """
import sys
from hub_runtime.bridge import as_gguf
with as_gguf(sys.argv[1]) as gguf:
    print(gguf.made, gguf.path.stat().st_size)
"""


@pytest.fixture
def source(tiny_apr: Path, tmp_path: Path) -> Path:
    """An APR of the test's own, last changed long ago as far as it says."""
    return Path(shutil.copy(tiny_apr, tmp_path / "model.apr"))


_OPENED: list[list[str]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _OPENED:
        _OPENED[-1].append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The paths that are opened while the test runs."""
    _OPENED.append([])
    yield _OPENED[-1]
    _OPENED.pop()


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change lies far enough in the past to be told from the next."""
    monkeypatch.setattr("hub_runtime.bridge._records.SETTLED", -(10**12))


def test_a_gguf_is_itself(tiny: Path, cache_folder: Path) -> None:
    with as_gguf(tiny) as gguf:
        assert (gguf.path, gguf.format, gguf.made) == (tiny, "gguf", False)
    assert not (cache_folder / "bridge").exists()


def test_all_parts_of_a_split_gguf_are_checked(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    whole = make_tiny(tmp_path / "whole.gguf")
    assert main(["convert", str(whole), str(tmp_path / "parts.gguf"), "--shard-size", "40KB"]) == 0
    parts = sorted(tmp_path.glob("parts-*.gguf"))
    assert len(parts) > 1
    with as_gguf(parts[0]) as gguf:
        assert gguf.path == parts[0]
    parts[-1].write_bytes(parts[-1].read_bytes()[:-64])
    with pytest.raises(DamagedFile):
        as_gguf(parts[0])


def test_another_format_becomes_the_same_gguf_once(source: Path, tiny: Path) -> None:
    with as_gguf(source) as first, as_gguf(source) as second:
        assert (first.format, first.made, second.made) == ("apr", True, False)
        assert first.path == second.path
        assert first.path.read_bytes() == tiny.read_bytes()


def test_a_copy_elsewhere_needs_no_second_conversion(source: Path, tmp_path: Path) -> None:
    as_gguf(source).close()
    copy = Path(shutil.copy(source, tmp_path / "copy.apr"))
    with as_gguf(copy) as gguf:
        assert gguf.made, "the name of the file is part of what a reader may see"
    (tmp_path / "sub").mkdir()
    with as_gguf(shutil.copy(source, tmp_path / "sub" / "model.apr")) as gguf:
        assert not gguf.made


def test_an_unchanged_source_is_left_alone(source: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    settle(monkeypatch)
    as_gguf(source).close()
    as_gguf(source).close()  # the folder of the cache has appeared beside it
    opened.clear()
    as_gguf(source).close()
    assert opened.count(str(source)) == 0, "its record tells the format"


def other(path: Path, make: Callable[..., Path], seed: int) -> bytes:
    """The bytes of an APR of the same size with other weights."""
    gguf = make(path / f"other{seed}.gguf", seed=seed)
    assert main(["convert", str(gguf), str(path / f"other{seed}.apr")]) == 0
    return (path / f"other{seed}.apr").read_bytes()


@pytest.mark.parametrize("settled", [True, False])
def test_a_changed_source_of_the_same_size_and_time_is_another_model(
    source: Path, make_tiny: Callable[..., Path], tmp_path: Path, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:
        settle(monkeypatch)
    changed = other(tmp_path, make_tiny, 9)
    before = source.stat()
    with as_gguf(source) as gguf:
        first = gguf.path
    assert len(changed) == before.st_size
    with source.open("r+b") as file:
        file.write(changed)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with as_gguf(source) as gguf:
        assert gguf.made
        assert gguf.path != first
        assert gguf.path.read_bytes() == (tmp_path / "other9.gguf").read_bytes()


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    assert main(["convert", str(tiny), str(tmp_path / "folder")]) == 0
    return tmp_path / "folder"


def test_every_file_of_a_folder_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    as_gguf(folder).close()
    assert not as_gguf(folder).made
    card = folder / "README.md"
    card.write_text("---\nlicense: mit\n---\nAnother model.\n")
    with as_gguf(folder) as gguf:
        assert gguf.made
    card.unlink()
    (folder / ".hidden").write_text("no part of the model")
    assert not as_gguf(folder).made


def test_a_file_that_appears_beside_a_single_one_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    weights = folder / "model.safetensors"
    as_gguf(weights).close()
    assert not as_gguf(weights).made
    (folder / "added_tokens.json").write_text("{}")
    assert as_gguf(weights).made


def test_what_is_stated_is_part_of_the_key(source: Path) -> None:
    as_gguf(source).close()
    with as_gguf(source, assume=["rope_theta=5000"]) as gguf:
        assert gguf.made


def test_processes_that_start_together_make_it_once(source: Path) -> None:
    command = [sys.executable, "-c", IN_A_PROCESS, str(source)]
    paths = os.pathsep.join(p for p in sys.path if p)
    several = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
        for _ in range(4)
    ]
    said = [process.communicate()[0].split() for process in several]
    assert sorted(made for made, _ in said) == ["False", "False", "False", "True"]
    assert len({size for _, size in said}) == 1
    assert len(Cache.usual().entries()) == 1


def test_a_maker_that_died_leaves_nothing_that_counts(source: Path, cache_folder: Path) -> None:
    with as_gguf(source) as gguf:
        key = gguf.path.parent.name
    shutil.rmtree(gguf.path.parent)
    half = cache_folder / "bridge" / f".{key}.1"
    half.mkdir()
    (half / "model.gguf").write_bytes(b"GGUF")
    with as_gguf(source) as gguf:
        assert gguf.made
    assert not half.exists()


KILLED = """
import sys, time
from hub_runtime.bridge import as_gguf

class Waiting:
    def start(self, what, nbytes):
        if what == "verify":
            print("half way", flush=True)
            time.sleep(60)

    def advance(self, nbytes):
        pass

as_gguf(sys.argv[1], progress=Waiting())
"""


def test_a_maker_that_is_killed_lets_the_next_one_in(source: Path, cache_folder: Path) -> None:
    paths = os.pathsep.join(p for p in sys.path if p)
    command, where = [sys.executable, "-c", KILLED, str(source)], {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=where) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.kill()
    assert [p for p in (cache_folder / "bridge").iterdir() if p.name.startswith(".")], "it left something"
    assert Cache.usual().entries() == []
    with as_gguf(source) as gguf:
        assert gguf.made
    assert sorted(p.suffix for p in (cache_folder / "bridge").iterdir()) == ["", ".lock"]


class Meddling:
    """Told of progress, it changes the source when the result is verified."""

    def __init__(self, source: Path, change: Callable[[Path], None]) -> None:
        self.source, self.change = source, change

    def start(self, what: str, nbytes: int) -> None:
        if what == "verify":
            self.change(self.source)

    def advance(self, nbytes: int) -> None:
        pass


def flip_last(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\0")


def fail(_: Path) -> None:
    raise HubError("no")


@pytest.mark.parametrize(("change", "said"), [(flip_last, "changed while"), (fail, "no")])
def test_a_conversion_that_fails_or_is_overtaken_leaves_nothing(
    source: Path, cache_folder: Path, change: Callable[[Path], None], said: str
) -> None:
    with pytest.raises(HubError, match=said):
        as_gguf(source, progress=Meddling(source, change))
    assert [p.suffix for p in (cache_folder / "bridge").iterdir()] == [".lock"]


@pytest.mark.skipif(not bridge.MEMORY.is_dir(), reason="no tmpfs here")
def test_in_memory_nothing_is_kept(source: Path, tiny: Path, cache_folder: Path) -> None:
    with as_gguf(source, way="memory") as gguf:
        assert gguf.path.is_relative_to(bridge.MEMORY)
        assert gguf.path.read_bytes() == tiny.read_bytes()
    assert not gguf.path.parent.exists()
    assert not (cache_folder / "bridge").exists()
    with as_gguf(source) as gguf:
        assert gguf.made, "what memory left of its look at the source is no key"


def test_flags_without_effect_on_a_gguf_are_refused(tiny: Path) -> None:
    for options in ({"way": "memory"}, {"assume": ["a=1"]}, {"pre": "gpt-2"}):
        with pytest.raises(UsageError):
            as_gguf(tiny, **options)


@pytest.mark.parametrize("name", ["tiny", "tiny_apr"])
@pytest.mark.parametrize("cut", [3, 100, 5000, -64])
def test_a_cut_file_never_reaches_llama(name: str, cut: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    whole: Path = request.getfixturevalue(name)
    damaged = tmp_path / whole.name
    damaged.write_bytes(whole.read_bytes()[:cut])
    for _ in range(2):
        with pytest.raises(HubError):
            as_gguf(damaged)


def test_a_flipped_byte_of_an_apr_never_reaches_llama(source: Path) -> None:
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    source.write_bytes(data)
    with pytest.raises(DamagedFile, match="(?i)checksum"):
        refuse_damaged(source)


@pytest.mark.parametrize("token", ["!", "!\0more"])
def test_a_vocabulary_with_a_token_twice_never_reaches_llama(
    make_tiny: Callable[..., Path], tmp_path: Path, token: str
) -> None:
    """llama.cpp reads tokens as C strings and asserts that no two are the same."""
    with pytest.raises(DamagedFile, match="'!' twice"):
        as_gguf(make_tiny(tmp_path / "twice.gguf", long=token))


IN_A_CHILD = """
import random, sys
from pathlib import Path
from hub.errors import HubError
from hub_runtime.bridge import refuse_damaged
from hub_runtime.engine import Request, Settings, Slots, generate, load

source, target = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
header, ran = source.rindex(b"output.weight"), 0
for seed in range(int(sys.argv[3]), int(sys.argv[4])):
    print("seed", seed, flush=True)
    draw, data = random.Random(seed), bytearray(source)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, size = draw.randrange(header), draw.choice((1, 4, 8))
        value = draw.choice((0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1, draw.randrange(2 ** (8 * size))))
        data[at : at + size] = value.to_bytes(size, "little")
    target.write_bytes(data)
    try:
        refuse_damaged(target)
        with load(target, gpu_layers=0) as model, model.context(64, threads=1) as context:
            list(generate(Slots(context), Request(model.vocab.tokenize("Hello") or [0], Settings(), 3)))
            ran += 1
    except HubError:
        pass
print("survived", ran)
"""


@pytest.mark.usefixtures("llama")
def test_whatever_is_damaged_in_the_header_the_process_lives(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_CHILD, str(tiny), str(tmp_path / "damaged.gguf"), "0", "250"]
    paths = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, (done.stdout[-50:], done.stderr[-500:])
    assert int(done.stdout.split()[-1]) > 0, "some damage is harmless: the model still runs"


def test_a_cache_that_cannot_be_written_is_one_clear_error(
    source: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(HubError, match="--bridge memory"):
        as_gguf(source)
    as_gguf(tiny).close()


def test_a_record_that_is_no_record_is_none(source: Path, cache_folder: Path) -> None:
    as_gguf(source).close()
    for file in (cache_folder / "sources").iterdir():
        file.write_text('{"files": 3}')
    time.sleep(0.01)
    with as_gguf(source) as gguf:
        assert not gguf.made
