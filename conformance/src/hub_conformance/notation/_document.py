"""From the JSON notation to a model."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hub.ir import ENCODINGS, Bytes, Config, Lazy, Model, Rows, Tensor, Tokenizer
from hub_conformance.notation._generate import generated
from hub_conformance.notation._numbers import rows_to_bytes, to_bytes

SCHEMA = "hub.model/1"


def read_document(path: Path) -> dict[str, Any]:
    """The JSON document at `path`; `ValueError` when it is no model in this notation."""
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"{path}: no {SCHEMA} document")
    return found


def load(path: Path) -> Model:
    """The model that the document at `path` describes."""
    return model_of(read_document(path))


def model_of(document: Mapping[str, Any]) -> Model:
    """The model that a document describes; `ValueError` when a number is none of its encoding."""
    tensors = {entry["name"]: _tensor(entry) for entry in document["tensors"]}
    return Model(
        tensors,
        Config(document.get("config", {})),
        Lazy.of(_tokenizer(document.get("tokenizer"))),
        dict(document.get("metadata", {})),
        dict(document.get("ties", {})),
        {name: file_bytes(value) for name, value in document.get("files", {}).items()},
        Lazy.of(dict(document.get("source", {}))),
        document.get("naming", "hf"),
        tuple(document.get("unnamed", ())),
    )


class _Unknown(Rows):
    """Rows of which only a digest is known."""

    def __init__(self, n: int, width: int) -> None:
        self.n, self.width = n, width

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        raise ValueError("the document holds a digest of this tensor and not its numbers")


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    name, encoding, shape = entry["name"], ENCODINGS[entry["encoding"]], tuple(entry["shape"])
    if "seed" in entry:
        return generated(name, shape, encoding, entry["seed"], entry.get("way", "bits"))
    if "sha256" in entry:
        n, columns = encoding.grid(shape)
        return Tensor(name, shape, encoding, _Unknown(n, encoding.row_nbytes(columns)))
    data = to_bytes(encoding, entry["values"]) if "values" in entry else rows_to_bytes(entry["rows"])
    return Tensor.from_bytes(name, shape, encoding, np.frombuffer(data, np.uint8))


def _tokenizer(fields: Mapping[str, Any] | None) -> Tokenizer | None:
    if fields is None:
        return None
    charsmap = fields.get("charsmap")
    return Tokenizer(**{**fields, "charsmap": None if charsmap is None else base64.b64decode(charsmap)})


def file_bytes(value: Mapping[str, str]) -> bytes:
    """A companion file from {"text": ...} or {"base64": ...}."""
    return value["text"].encode() if "text" in value else base64.b64decode(value["base64"], validate=True)
