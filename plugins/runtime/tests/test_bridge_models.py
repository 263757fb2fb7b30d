"""Models in memory, and models of formats that others bring, as GGUF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hub.errors import DamagedFile, UsageError
from hub.ir import Model, Tensor
from hub.opening import open_model
from hub.plugins import registry
from hub_runtime.bridge import _gguf as bridge
from hub_runtime.bridge import as_gguf
from hub_runtime.engine import load
from hub_runtime.loading import Wanted, load_any

needs_tmpfs = pytest.mark.skipif(not bridge.MEMORY.is_dir(), reason="no tmpfs here")


def in_memory(path: Path) -> Model:
    """The model at `path`, without its file."""
    model = open_model(path)[1]
    tensors = {n: Tensor.from_bytes(n, t.shape, t.encoding, t.read()) for n, t in model.tensors.items()}
    return replace(model, tensors=tensors, path=None)


@pytest.fixture
def model(tiny: Path) -> Model:
    return in_memory(tiny)


@needs_tmpfs
def test_a_small_one_is_written_to_tmpfs_and_nowhere_else(model: Model, tiny: Path, cache_folder: Path) -> None:
    with as_gguf(model) as gguf:
        assert gguf.path.is_relative_to(bridge.MEMORY)
        assert gguf.path.read_bytes() == tiny.read_bytes()
    assert not gguf.path.exists()
    assert not cache_folder.exists()


def test_where_memory_is_short_it_is_cached(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MEMORY", tmp_path / "none")
    with as_gguf(model) as first, as_gguf(model) as second:
        assert (first.made, second.made, first.path) == (True, False, second.path)


def changed(model: Model, what: str) -> Model:
    """`model` with one thing about it changed."""
    if what == "a value":
        old = model.tensors["model.norm.weight"]
        data = np.frombuffer(old.read(), np.float32) * np.float32(1.5)
        new = Tensor.from_bytes(old.name, old.shape, old.encoding, data.tobytes())
        return replace(model, tensors={**model.tensors, old.name: new})
    if what == "the configuration":
        return replace(model, config=model.config.merged({"rope_theta": 5000.0}))
    if what == "the metadata":
        return replace(model, metadata={**model.metadata, "author": "somebody else"})
    return replace(model, files={"README.md": b"Another model."})


@pytest.mark.parametrize("what", ["a value", "the configuration", "the metadata", "a file"])
def test_what_is_cached_is_told_by_content(model: Model, tiny: Path, what: str) -> None:
    as_gguf(model, way="cache").close()
    assert not as_gguf(in_memory(tiny), way="cache").made, "the same again, made anew"
    with as_gguf(changed(model, what), way="cache") as other:
        assert other.made


def test_one_that_llama_would_end_on_is_refused(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    twice = in_memory(make_tiny(tmp_path / "twice.gguf", long="!"))
    for way in ("cache", "memory") if bridge.MEMORY.is_dir() else ("cache",):
        with pytest.raises(DamagedFile, match="'!' twice"):
            as_gguf(twice, way=way)


def test_what_is_stated_must_have_an_effect(model: Model) -> None:
    with pytest.raises(UsageError, match="assume"):
        as_gguf(model, assume=["rope_theta=5"])


@pytest.mark.usefixtures("llama")
def test_it_runs(model: Model) -> None:
    with as_gguf(model) as gguf, load(gguf.path, gpu_layers=0) as loaded:
        assert loaded.n_layer == len({n.split(".")[2] for n in model.tensors if ".layers." in n})
        assert loaded.metadata["general.architecture"] == "llama"


FOREIGN = """
from pathlib import Path
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Magic
from hub.opening import open_model

class Pointer(BaseFormat):
    name, extensions, magic = "pointer", (".pointer",), (Magic(b"POINTER "),)
    capabilities = Capabilities(frozenset(), writes=False)

    def read(self, path):
        return open_model(Path(Path(path).read_bytes()[8:].decode()))[1]

    def write(self, plan, sink, options):
        raise NotImplementedError

@hookimpl
def hub_formats():
    return [Pointer()]
"""


@pytest.fixture
def pointer(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of a format that a stranger's plugin reads: it names a GGUF elsewhere."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "pointer_format.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    monkeypatch.setenv("HUB_PLUGINS", "pointer_format")
    registry.cache_clear()
    far = tmp_path / "far" / "away.gguf"
    far.parent.mkdir()
    far.write_bytes(tiny.read_bytes())
    path = tmp_path / "model.pointer"
    path.write_bytes(b"POINTER " + bytes(far))
    yield path
    monkeypatch.undo()
    registry.cache_clear()


def test_a_strangers_format_goes_the_same_way(pointer: Path, tiny: Path) -> None:
    with as_gguf(pointer) as first, as_gguf(pointer) as second:
        assert (first.format, first.made, second.made) == ("pointer", True, False)
        assert first.path.read_bytes() == tiny.read_bytes()


def test_what_it_reads_elsewhere_is_part_of_its_content(
    pointer: Path, make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    as_gguf(pointer).close()
    other = make_tiny(tmp_path / "other.gguf", seed=9)
    (tmp_path / "far" / "away.gguf").write_bytes(other.read_bytes())
    with as_gguf(pointer) as gguf:
        assert gguf.made
        assert gguf.path.read_bytes() == other.read_bytes()


@pytest.mark.usefixtures("llama")
def test_it_is_loaded_as_every_other(pointer: Path) -> None:
    with load_any(Wanted(pointer, gpu_layers=0)) as loaded:
        assert (loaded.format, loaded.model.n_layer) == ("pointer", 2)
