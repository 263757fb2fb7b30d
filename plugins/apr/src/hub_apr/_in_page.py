"""How a web page makes a GGUF of a file: the block `hub.gguf`, for a page whose llama.cpp reads no APR.

A script that runs there knows nothing of architectures, keys or tokenizers. The block says which bytes to put where:

    {"version": 1, "parts": [{"size": n, "head": DEFLATED, "tensors": PACKED}], "moves": PACKED}

`parts` are the files of the GGUF in their order: the bytes of each header (a deflated block), and behind it each tensor
as [its offset in the part, [piece ...]]. Between tensors there are zeros. A piece is one of

    {"of": NAME}                                   the stored bytes of the tensor NAME
    {"of": NAME, "width": bytes, "rows": move}     rows of them, `width` bytes each, as the list moves[move] names them
    {"of": NAME, "width": bytes, "item": bytes}    the transpose of those rows of items
    {"bytes": BASE64}                              bytes, for small tensors whose values are computed

so the result is the file that converting the APR into GGUF gives, byte for byte.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hub.errors import NoPlugin, UnsupportedFile, UsageError
from hub.interface import Format, Options, Placement, Plan, PlannedTensor
from hub.ir import Bytes, Gathered, Index, Joined, Rows, Tensor, Transposed
from hub.targets import DeploymentTarget, named
from hub_apr import _blocks
from hub_apr._read import own_model
from hub_apr.container import pack_metadata, parse_metadata

KEY, VERSION = "hub.gguf", 1
SMALL = 1 << 20  # bytes of a computed tensor that the block holds

Json = dict[str, Any]


def check_place(options: Options) -> DeploymentTarget:
    """The place that `options` name; `UsageError` for what does not go with it."""
    if options.compression is not None:
        raise UsageError("--compression and --target exclude each other: a page would have to unpack every tensor")
    if options.shard_size is not None:
        raise UsageError(
            "--shard-size and --target exclude each other: a page reads one APR, in as many parts as its site has",
            hint="hub deploy wasm cuts the file into parts",
        )
    return named(str(options.target))


def check_page(planned: Sequence[PlannedTensor], metadata: Mapping[str, Any], path: Path | None,
               place: DeploymentTarget) -> None:  # fmt: skip
    """`UnsupportedFile` naming the first tensor that a page could not make the GGUF form of, or not compute with."""
    made, stored = _gguf(planned, metadata, path or Path("model.apr"), place)
    for tensor in made.tensors:
        _pieces(tensor, stored, _Moves())


def page_block(
    planned: Sequence[PlannedTensor], metadata: Mapping[str, Any], path: Path, place: DeploymentTarget
) -> Json:
    """The block of the file to be at `path`, which holds the tensors `planned` and `metadata`."""
    made, stored = _gguf(planned, metadata, path, place)
    by_tensor = {id(p.tensor): p for p in made.tensors}
    moves, parts = _Moves(), []
    with tempfile.TemporaryDirectory() as folder:
        sink = _Noted(Path(folder) / "model.gguf")
        _format(place).write(made, sink, Options(shard_size=place.largest))
        for file, placements in sink.placed:
            tensors = [[at, _pieces(by_tensor[id(tensor)], stored, moves)] for at, tensor in placements]
            parts.append(_part(file, placements, tensors))
    return {KEY: {"version": VERSION, "parts": parts, "moves": _blocks.pack(moves.lists)}}


def _part(file: Path, placements: Sequence[Placement], tensors: list[Any]) -> Json:
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(min((at for at, _ in placements), default=size))
    return {"size": size, "head": _blocks.deflated(head), "tensors": _blocks.pack(tensors)}


def _format(place: DeploymentTarget) -> Format:
    from hub.plugins import registry

    try:
        return registry().named(place.runs)
    except NoPlugin as error:
        raise NoPlugin(f"--target {place.name} needs the plugin of {place.runs}", hint=error.hint) from error


def _gguf(
    planned: Sequence[PlannedTensor], metadata: Mapping[str, Any], path: Path, place: DeploymentTarget
) -> tuple[Plan, dict[str, _Stored]]:
    """What converting the file to be at `path` into GGUF would do, and the tensors that the file holds."""
    stored = {p.tensor.name: _Stored(p.tensor) for p in planned}
    tensors = [Tensor(p.tensor.name, p.tensor.shape, p.tensor.encoding, stored[p.tensor.name]) for p in planned]
    model = own_model(tensors, parse_metadata(pack_metadata(metadata), path, 0), path)
    made = _format(place).plan(model, Options(shard_size=place.largest))
    if made.unmapped:
        more = f"{len(made.unmapped)} tensors have no place in {place.runs}"
        raise UnsupportedFile(f"{place.title} cannot run this: {more}", tensor=made.unmapped[0])
    for tensor in (p.tensor for p in made.tensors):
        if len(tensor.shape) > 1 and tensor.encoding.name not in place.encodings:
            raise UnsupportedFile(
                f"{place.title} does not compute with {tensor.encoding}",
                tensor=tensor.name, hint="--optimize-size or --encode says another encoding",
            )  # fmt: skip
    return made, stored


class _Stored(Rows):
    """The rows of a tensor as the file holds them: where every way back must end."""

    def __init__(self, tensor: Tensor) -> None:
        self.name, self.base = tensor.name, tensor.rows
        self.n, self.width = tensor.rows.n, tensor.rows.width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        self.base.fill(start, stop, out)


class _Noted:
    """A sink that copies nothing, and notes where each tensor would go."""

    jobs = 1

    def __init__(self, target: Path) -> None:
        self.target = target
        self.placed: list[tuple[Path, Sequence[Placement]]] = []

    def create(self, name: str | None = None) -> Path:
        path = self.target.with_name(name or self.target.name)
        path.touch()
        return path

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        self.placed.append((path, placements))

    def stream(self, tensor: Tensor) -> Iterator[bytes]:
        raise NotImplementedError("a format that packs what it writes is none that a page makes")


@dataclass
class _Moves:
    """Lists of rows; many tensors move alike."""

    lists: list[list[int]] = field(default_factory=list)
    _seen: dict[bytes, int] = field(default_factory=dict)

    def number(self, index: Index) -> int:
        """The number of the list that `index` is."""
        key = index.astype(np.int64).tobytes()
        if key not in self._seen:
            self._seen[key] = len(self.lists)
            self.lists.append(index.tolist())
        return self._seen[key]


def _pieces(planned: PlannedTensor, stored: Mapping[str, _Stored], moves: _Moves) -> list[Json]:
    """How the page makes the bytes of one tensor."""
    rows = planned.tensor.rows
    if isinstance(rows, Transposed) and isinstance(rows.base, _Stored):
        return [{"of": rows.base.name, "width": rows.base.width, "item": rows.item}]
    found = _whence(rows)
    if found is not None:
        return [_piece(leaf, index, moves) for leaf, index in _runs(*found)]
    if planned.tensor.nbytes > SMALL:
        raise UnsupportedFile(
            "its bytes in a GGUF follow from those in an APR by computing, which a page does not do",
            tensor=planned.tensor.name, hint="--encode f16 keeps what a page can move",
        )  # fmt: skip
    data = planned.tensor.read()
    same = next((name for name in planned.sources if name in stored and _holds(stored[name], data)), None)
    return [{"bytes": base64.b64encode(data).decode()} if same is None else {"of": same}]


def _holds(rows: Rows, data: bytes) -> bool:
    return rows.nbytes == len(data) and rows.read().tobytes() == data


def _piece(leaf: _Stored, index: Index, moves: _Moves) -> Json:
    if np.array_equal(index, np.arange(leaf.n)):
        return {"of": leaf.name}
    return {"of": leaf.name, "width": leaf.width, "rows": moves.number(index)}


def _whence(rows: Rows) -> tuple[list[_Stored], Index, Index] | None:
    """Stored tensors, which of them each row lies in, and at which place there; None for rows that are computed."""
    match rows:
        case _Stored():
            return [rows], np.zeros(rows.n, np.int64), np.arange(rows.n)
        case Gathered():
            found = _whence(rows.base)
            return found and (found[0], found[1][rows.index], found[2][rows.index])
        case Joined():
            leaves: list[_Stored] = []
            which, where = [], []
            for found in map(_whence, rows.parts):
                if found is None:
                    return None
                which.append(found[1] + len(leaves))
                where.append(found[2])
                leaves += found[0]
            return leaves, np.concatenate(which), np.concatenate(where)
    return None


def _runs(leaves: Sequence[_Stored], which: Index, where: Index) -> Iterator[tuple[_Stored, Index]]:
    """Rows that follow one another in one stored tensor."""
    edges = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(which)]
    for a, b in pairwise(edges):
        if b > a:
            yield leaves[int(which[a])], where[a:b]
