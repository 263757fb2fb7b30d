"""The stages of `hub check` that a container decides, from magic to checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hub.embedded import embedded
from hub.errors import HubError
from hub.interface import Finding, Stage
from hub_gguf.container import Header, HeaderReader, LazyArray, Value, ValueType, read_parts


def validate(path: Path) -> Iterator[Finding]:
    """Findings on the file at `path`, or on the parts of a split one; after a failure the rest is skipped."""
    stage = Stage.MAGIC
    try:
        reader = HeaderReader(path)
        for stage, steps, told in _STAGES:
            for step in steps:
                step(reader)
            detail = told(reader)
            if stage is Stage.INDEX:
                detail = _whole(path, reader.header) or detail
            yield Finding(stage, "PASS", detail)
    except HubError as error:
        yield Finding(stage, "FAIL", _said(error, path), error.offset, error.tensor)
        yield from (Finding(s, "SKIP", f"{stage} failed") for s, _, _ in _STAGES if _later(s, stage))
    yield _checksum(path)


def _checksum(path: Path) -> Finding:
    """GGUF has none; a bundle says the digest of the model in it."""
    inside = embedded(path)
    if inside is None:
        return Finding(Stage.CHECKSUM, "SKIP", "GGUF has no checksum")
    try:
        inside.check()
    except HubError as error:
        return Finding(Stage.CHECKSUM, "FAIL", error.message, error.offset)
    return Finding(Stage.CHECKSUM, "PASS", f"the bundle's digest of the model, {inside.digest[:16]}...")


def _later(stage: Stage, failed: Stage) -> bool:
    order = list(Stage)
    return order.index(stage) > order.index(failed)


def _said(error: HubError, path: Path) -> str:
    """The message, with the file when it is another part than the one asked for."""
    other = error.file is not None and Path(error.file).name != path.name
    return f"{Path(str(error.file)).name}: {error.message}" if other else error.message


def _whole(path: Path, header: Header) -> str:
    """What a split file's parts hold together; empty for a file that is not split."""
    if header.scalar("split.count", int) in (None, 0, 1):
        return ""
    parts = read_parts(path)
    return f"{sum(len(p.tensors) for p in parts)} tensors in {len(parts)} files, each within its file, none overlapping"


def _architecture(reader: HeaderReader) -> None:
    keys = reader.metadata
    if "general.architecture" not in keys and "split.no" not in keys:
        raise reader.cursor.damaged("general.architecture is missing")
    stated = keys.get("general.architecture")
    if stated is not None and stated.type is not ValueType.STRING:
        raise reader.cursor.damaged(f"general.architecture is {stated.type.name}, STRING was expected")


def _decoded(reader: HeaderReader) -> None:
    for value in reader.metadata.values():
        _decode(value)


def _decode(value: Value) -> None:
    if isinstance(value.data, LazyArray):
        for inner in value.data.decode():
            if isinstance(inner, Value):
                _decode(inner)


_Step = Callable[[HeaderReader], None]
_STAGES: tuple[tuple[Stage, tuple[_Step, ...], Callable[[HeaderReader], str]], ...] = (
    (Stage.MAGIC, (HeaderReader.magic,), lambda _: "GGUF"),
    (Stage.HEADER, (HeaderReader.counts,), lambda r: f"version {r.version}, {r.byte_order}-endian"),
    (Stage.METADATA, (HeaderReader.keys, _decoded, _architecture), lambda r: f"{len(r.metadata)} keys"),
    (
        Stage.INDEX,
        (HeaderReader.index, HeaderReader.placement),
        lambda r: f"{len(r.header.tensors)} tensors, each within the file, none overlapping",
    ),
    (Stage.ALIGNMENT, (HeaderReader.alignment,), lambda r: f"every tensor at a multiple of {r.header.alignment}"),
)
