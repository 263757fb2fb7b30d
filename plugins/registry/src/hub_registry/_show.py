"""What is known of one model of the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.errors import HubError
from hub_registry._formats import Kept, kept
from hub_registry._history import Move
from hub_registry._manifest import Blob
from hub_registry._names import STAGES, parse
from hub_registry._store import Store


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model."""

    path: str | None
    type: str
    digest: str
    nbytes: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A manifest: what it is called, what it holds, its ModelPack configuration, and what happened to its names.

    `tags` are all names of the model ORG/MODEL with their digests; `history` their moves, oldest first.
    """

    name: str
    digest: str
    nbytes: int
    tags: dict[str, str]
    stages: dict[str, str | None]
    models: tuple[Kept, ...]
    files: tuple[File, ...]
    config: dict[str, Any]
    history: tuple[Move, ...]

    def lines(self) -> Iterator[tuple[str, object]]:
        """Label and value."""
        yield "Name", self.name
        yield "Digest", self.digest
        for label, facts in (("Model", "descriptor"), ("Technical", "config")):
            yield label, ", ".join(f"{k} {_said(v)}" for k, v in self.config.get(facts, {}).items()) or None
        picks = len(self.models) > 1
        formats = (f"{one.format} (#{one.path})" if picks else one.format for one in self.models)
        yield "Formats", ", ".join(formats) or None
        for stage, digest in self.stages.items():
            yield stage, digest and f"{digest}{' (this one)' if digest == self.digest else ''}"
        yield "Tags", ", ".join(tag for tag, digest in self.tags.items() if digest == self.digest) or None

    def rows(self) -> Iterator[tuple[object, ...]]:
        """The files as a table."""
        for file in self.files:
            yield file.path or "-", f"{file.nbytes:,}", file.digest[:19], file.type

    def steps(self) -> Iterator[tuple[object, ...]]:
        """The history as a table."""
        for move in self.history:
            came, went = (digest and digest[:19] for digest in (move.came, move.went))
            yield move.at, move.by, move.action, move.name.rpartition(":")[2], came or "-", went or "-", move.why


def _said(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def shown(store: Store, text: str) -> Shown:
    """What is known of the model called `text`."""
    name = parse(text)
    index = store.index()
    manifest = store.manifest(store.digest(name, index))
    tags = {key.rpartition(":")[2]: d for key, d in index.names.items() if key.rpartition(":")[0] == name.model}
    moves = (m for m in store.history.moves(index.head) if m.name.rpartition(":")[0] == name.model)
    files = [b.path for b in manifest.layers if b.path]
    return Shown(
        str(name.bare()), manifest.digest, manifest.nbytes, tags, {stage: tags.get(stage) for stage in STAGES},
        tuple(kept(files)), tuple(_file(b) for b in manifest.layers), _config(store, manifest.config), tuple(moves),
    )  # fmt: skip


def _file(blob: Blob) -> File:
    return File(blob.path, blob.media_type, blob.digest, blob.size)


def _config(store: Store, blob: Blob) -> dict[str, Any]:
    """The parts of the configuration that tell of the model; nothing where it is no ModelPack's."""
    try:
        document = json.loads(store.small(blob.digest))
    except (HubError, ValueError):
        return {}
    told = document if isinstance(document, dict) else {}
    return {key: told[key] for key in ("descriptor", "config") if isinstance(told.get(key), dict)}
