"""A manifest as it was signed, taken apart; what is not one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Config
from hub.signing.manifest._build import SCHEMA


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor as it was signed; see hub/schemas/manifest.json."""

    name: str
    encoding: str
    shape: tuple[int, ...]
    sha256: str
    values_sha256: str | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A signed manifest: tensors by canonical name, ties, configuration, and the parts of the tokenizer."""

    entries: Mapping[str, Entry]
    ties: Mapping[str, str]
    config: Config
    tokenizer: Mapping[str, Any] | None


def parse(document: Mapping[str, Any]) -> Manifest:
    """The manifest that `document` is; `DamagedFile` when it is none, or of a later schema."""
    if document.get("schema") != SCHEMA:
        raise DamagedFile(f"a manifest of schema {SCHEMA} was expected, not {document.get('schema')!r}")
    match document:
        case {"tensors": list(tensors), "ties": dict(ties), "config": {"values": dict(config)}, "tokenizer": tokenizer}:
            pass
        case _:
            raise DamagedFile("the manifest lacks tensors, ties, config or tokenizer")
    entries = [_entry(item) for item in tensors]
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) < len(entries):
        raise DamagedFile("the manifest lists a tensor twice")
    if not all(isinstance(of, str) and of in by_name for of in ties.values()):
        raise DamagedFile("the manifest ties a name to a tensor that it does not list")
    if tokenizer is not None and not isinstance(tokenizer, Mapping):
        raise DamagedFile("the manifest's tokenizer is no object")
    return Manifest(by_name, ties, Config(config), tokenizer)


def _entry(item: Any) -> Entry:
    match item:
        case {"name": str(name), "encoding": str(encoding), "shape": list(shape), "sha256": str(sha256)} if all(
            type(n) is int and n >= 0 for n in shape
        ):
            values = item.get("values_sha256")
            return Entry(name, encoding, tuple(shape), sha256, values if isinstance(values, str) else None)
        case _:
            raise DamagedFile(f"manifest entry {str(item)[:80]} lacks name, encoding, shape or sha256")
