"""What a format says of itself, in one vocabulary; and whether a refusal is covered by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.errors import HubError, MissingFact, UnmappedTensor, UnsupportedFile, UsageError
from hub.interface import Format
from hub.ir import ENCODINGS

WORDS = frozenset({"config", "tokenizer", "ties", "metadata", "files", "source", "naming"})
"""What `Format.drops` may name: the aspects of a model that a format may be unable to hold."""

_REFUSALS = (UnsupportedFile, UnmappedTensor, MissingFact, UsageError)
_LONG = 255  # bytes of a name
_FEW, _MANY = 1, 4  # dimensions that every format takes


def lost(fmt: Format) -> frozenset[str]:
    """The aspects that `fmt` declares it cannot hold, in `drops` or in its capabilities."""
    can = fmt.capabilities
    held = {"config": can.config, "tokenizer": can.tokenizer, "ties": can.ties}
    return fmt.drops | {word for word, holds in held.items() if not holds}


def peculiar(fmt: Format, document: Mapping[str, Any]) -> list[str]:
    """What is in `document` that `fmt` may refuse: it declares so, or the contract leaves it to the format."""
    found = dict.fromkeys(what for entry in document["tensors"] for what in _peculiar(fmt, entry))
    if "naming" in lost(fmt) and document["naming"] == "native":
        found["an architecture that is in no table"] = None
    return list(found)


def _peculiar(fmt: Format, entry: Mapping[str, Any]) -> Iterator[str]:
    shape, encoding = entry["shape"], ENCODINGS[entry["encoding"]]
    if encoding.name not in fmt.capabilities.encodings:
        yield encoding.name
    if not _FEW <= len(shape) <= _MANY:
        yield f"{len(shape)} dimensions"
    if 0 in shape:
        yield "an empty tensor"
    if shape and not encoding.flat and shape[-1] % encoding.block:
        yield "a row that ends within a block"
    name = entry["name"]
    if len(name.encode()) > _LONG or not (name.isascii() and name.isprintable()):
        yield "a long or unusual name"


def justified(error: HubError, fmt: Format, document: Mapping[str, Any]) -> bool:
    """True when `fmt` may refuse the model with this error."""
    return isinstance(error, _REFUSALS) and bool(peculiar(fmt, document))
