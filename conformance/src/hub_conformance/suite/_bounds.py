"""Memory and time are bounded by what is in flight, not by the model: a sparse file of more than 4 GiB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hub.interface import Format, Options, Placement
from hub.ir import F32, Bytes, Model, Rows, Tensor
from hub.pipeline import Copier, Silent, Target, default_budget
from hub.plugins import registry
from hub_conformance.notation import exact, generated
from hub_conformance.suite._case import FormatCase, Nonconformant, declared, disabled, expect, within
from hub_conformance.suite._child import measured

GROWTH = 256 << 20  # bytes that a process may grow by, whatever the size of the model
MOST = 2 << 30  # bytes that it cannot allocate at all, lest it take the machine down
SECONDS = 60.0
_COLUMNS = 1 << 14
_LARGE, _LESS = (4 << 30) + (64 << 20), 768 << 20  # past what 32 bits address; for formats that pack what they write


class Zeros(Rows):
    """Rows of zeros, which need not be written: a hole in a file reads as zeros."""

    def __init__(self, n: int, width: int) -> None:
        self.n, self.width = n, width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        out[:] = 0


class _Streams(Exception):
    """The format asks for the bytes in order, so that nothing can be left out."""


class _Sparse(Target):
    """A target that leaves zeros out where they are placed; with `strict` asking for their bytes is an error."""

    strict = True

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        end = max((offset + tensor.nbytes for offset, tensor in placements), default=0)
        with path.open("r+b") as file:
            file.truncate(max(end, path.stat().st_size))
        super().copy(path, [(offset, tensor) for offset, tensor in placements if not isinstance(tensor.rows, Zeros)])

    def stream(self, tensor: Tensor) -> Iterator[bytes]:
        if self.strict and isinstance(tensor.rows, Zeros):
            raise _Streams
        return super().stream(tensor)


class BoundsTests(FormatCase):
    """A model that does not fit into memory."""

    @within(3 * SECONDS)
    def test_memory_is_bounded(self, fmt: Format, tmp_path: Path) -> None:
        """Writing, reading and validating a file of more than 4 GiB takes a fraction of that, in bounded time."""
        if not fmt.capabilities.writes:
            declared(f"{fmt.name} is read, not written")
        if shutil.disk_usage(tmp_path).free < 2 * _LESS:
            disabled("there is too little room on the disk")
        grown = []
        for step in ("write", "read", "validate"):
            try:
                seen = measured(f"{__name__}:{step}_large", fmt.name, str(tmp_path), seconds=SECONDS, memory=MOST)
            except Nonconformant as error:
                raise Nonconformant(f"{step} of a large file: {error}") from None
            grown.append((step, seen.grown))
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if grown[0][1] is None:
            disabled("this system does not say how much memory a process takes")
        expect_bounded(grown)


def expect_bounded(grown: Sequence[tuple[str, int | None]]) -> None:
    """Fail when a step took more than `GROWTH`."""
    for step, more in grown:
        expect((more or 0) <= GROWTH, f"{step} takes {(more or 0) >> 20} MiB more memory; {GROWTH >> 20} are allowed")


def _model(nbytes: int) -> Model:
    rows = nbytes // (_COLUMNS * F32.nbytes)
    large = Tensor("large.weight", (rows, _COLUMNS), F32, Zeros(rows, _COLUMNS * F32.nbytes))
    small = generated("small.weight", (3, 5), F32, 11, "uniform")
    return Model(
        {"large.weight": large, "small.weight": small}, metadata={"architecture": "conformance"}, naming="native"
    )


def write_large(name: str, folder: str) -> int:
    """Write the model, with holes where the format leaves them to the hub; its size."""
    fmt: Any = registry().named(name)
    for nbytes, strict in ((_LARGE, True), (_LESS, False)):
        target = Path(folder) / f"large{fmt.extensions[0] if fmt.extensions else ''}"
        plan = fmt.plan(_model(nbytes), Options())
        sink = _Sparse(target, Copier(default_budget(1), Silent()), folder=not fmt.extensions, overwrite=False)
        sink.strict = strict
        with sink, suppress(_Streams):
            fmt.write(plan, sink, Options())
            sink.commit()
            return nbytes
    raise RuntimeError("nothing was written")


def _only(folder: str) -> Path:
    return next(Path(folder).iterdir())


def read_large(name: str, folder: str) -> None:
    """Read it back, a row of the large tensor and all of the small one."""
    model = registry().named(name).read(_only(folder))
    large, small = model.tensors["large.weight"], model.tensors["small.weight"]
    last = np.asarray(large.rows.read(large.rows.n - 1, large.rows.n))
    expect(not last.any(), "the last row of the large tensor is not what was written")
    wrong = list(exact(_model(_LESS).tensors["small.weight"], small))
    expect(not wrong, wrong[0] if wrong else "")


def validate_large(name: str, folder: str) -> None:
    """Validate it."""
    wrong = [f.detail for f in registry().named(name).validate(_only(folder)) if f.outcome == "FAIL"]
    expect(not wrong, wrong[0] if wrong else "")
