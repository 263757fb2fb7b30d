"""From a model to the JSON notation."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from hub.ir import Model, Tensor, Tokenizer
from hub_conformance.notation._document import SCHEMA
from hub_conformance.notation._numbers import WRITABLE, from_bytes, rows_from_bytes


def dump(model: Model, *, digests: bool = False) -> dict[str, Any]:
    """The document of `model`: its tensors number by number, or with `digests` the sha256 of their bytes."""
    tokenizer = model.tokenizer.get()
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "naming": model.naming,
        "tensors": [_tensor(name, tensor, digests) for name, tensor in model.tensors.items()],
        "ties": dict(model.ties),
        "config": dict(model.config),
        "tokenizer": None if tokenizer is None else _tokenizer(tokenizer),
        "metadata": dict(model.metadata),
        "files": {name: _file(data) for name, data in model.files.items()},
        "source": dict(model.source.get()),
        "unnamed": list(model.unnamed),
    }
    return {key: value for key, value in found.items() if value or key in {"schema", "naming", "tensors"}}


def digest(tensor: Tensor) -> str:
    """sha256 of the tensor's bytes in its encoding, row after row, in hexadecimal."""
    made = sha256()
    for start, stop in tensor.pieces():
        made.update(tensor.rows.read(start, stop).data)
    return made.hexdigest()


def save(document: Mapping[str, Any], path: Path) -> None:
    """Write a document so that people can read it: a line for each tensor and for each other entry."""
    parts = []
    for key, value in document.items():
        if key == "tensors":
            lines = ",\n".join(f"  {_json(entry)}" for entry in value)
            parts.append(f' "tensors": [\n{lines}\n ]' if value else ' "tensors": []')
        elif isinstance(value, dict) and value:
            lines = ",\n".join(f"  {_json(name)}: {_json(entry)}" for name, entry in value.items())
            parts.append(f" {_json(key)}: {{\n{lines}\n }}")
        else:
            parts.append(f" {_json(key)}: {_json(value)}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8", newline="\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _tensor(name: str, tensor: Tensor, digests: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "encoding": tensor.encoding.name, "shape": list(tensor.shape)}
    if digests:
        return entry | {"sha256": digest(tensor)}
    data = tensor.read()
    if tensor.encoding.name in WRITABLE:
        return entry | {"values": from_bytes(tensor.encoding, data)}
    return entry | {"rows": rows_from_bytes(data, tensor.encoding.row_nbytes(tensor.columns))}


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    found = {field.name: _plain(getattr(tokenizer, field.name)) for field in fields(Tokenizer)}
    return {key: value for key, value in found.items() if value not in (None, {})}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    return value if value is None or isinstance(value, str | int) else list(value)


def _file(data: bytes) -> dict[str, str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return {"text": text} if len(text) < 1 << 16 else {"base64": base64.b64encode(data).decode()}
