"""The manifest of a model: what every tensor, the configuration and the tokenizer are, as digests of canonical bytes.

The bytes of a tensor are those of its canonical form (`hub.ir`): rows in row-major order, in Hugging Face's order of
rows, in the tensor's own encoding. They do not depend on the file format, so two formats that hold one tensor in one
encoding have one digest of it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub import codecs
from hub.inspection import canonical
from hub.ir import F32, Model, Tensor, Tokenizer
from hub.opening import open_model
from hub.pipeline import Budget, Copier, Progress, Silent, default_budget, each
from hub.signing.manifest._canonical_json import canonical_json

SCHEMA = "hub.manifest/1"

# Parts of a tokenizer that may be large: the manifest holds their digests. The others it holds as they are.
LARGE = ("tokens", "scores", "types", "merges", "chat_template", "charsmap")
SMALL = ("kind", "pre", "special", "flags", "token_type_count")


def manifest(
    path: Path,
    from_: str | None = None,
    *,
    values: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The manifest of the model at `path` (schema hub/schemas/manifest.json), computed by many workers.

    `values` adds to every quantized tensor the digest of its values as little-endian F32, so that a copy in another
    encoding can be recognised; that takes decoding all of them. Errors are those of reading a model.
    """
    _, model = open_model(path, from_, use="sign")
    return of_model(model, values=values, budget=budget, progress=progress)


def of_model(
    model: Model, *, values: bool = False, budget: Budget | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """The manifest of `model`; see `manifest`."""
    tensors, ties = canonical(model)
    digests = digest_tensors(tensors, values=values, budget=budget, progress=progress)
    return {
        "schema": SCHEMA,
        "naming": model.naming,
        "tensors": [_entry(tensors[name], digests[name]) for name in sorted(tensors)],
        "ties": dict(sorted(ties.items())),
        "config": config_part(model.config),
        "tokenizer": tokenizer_part(model.tokenizer.get()),
    }


def manifest_digest(document: Mapping[str, Any]) -> str:
    """The sha256, in hex, of a manifest in canonical JSON: one number for the whole model, whatever its format."""
    return hashlib.sha256(canonical_json(document)).hexdigest()


def _entry(tensor: Tensor, digests: Mapping[str, str]) -> dict[str, Any]:
    return {"name": tensor.name, "encoding": tensor.encoding.name, "shape": list(tensor.shape), **digests}


def digest_tensors(
    tensors: Mapping[str, Tensor],
    *,
    values: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, str]]:
    """By name: `sha256` of the tensor's bytes and, with `values`, `values_sha256` of what its blocks mean."""
    budget, progress = budget or default_budget(), progress or Silent()
    copier, lock = Copier(budget, progress), threading.Lock()
    done: dict[str, dict[str, str]] = {}
    progress.start("digest", sum(t.nbytes for t in tensors.values()))

    def one(item: tuple[str, Tensor]) -> None:
        name, tensor = item
        found = {"sha256": digest(tensor, copier)}
        if values and tensor.encoding.quantized and codecs.can_decode(tensor.encoding):
            found["values_sha256"] = digest(codecs.recode(tensor, F32), Copier(budget, Silent()))
        with lock:
            done[name] = found

    each(sorted(tensors.items(), key=lambda item: -item[1].nbytes), one, budget.jobs)
    return done


def digest(tensor: Tensor, copier: Copier) -> str:
    """The sha256, in hex, of a tensor's canonical bytes, read in pieces."""
    state = hashlib.sha256()
    for piece in copier.stream(tensor):
        state.update(piece)
    return state.hexdigest()


def config_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as its reader gives it, and the sha256 of that in canonical JSON."""
    text = canonical_json(dict(config))
    return {"sha256": hashlib.sha256(text).hexdigest(), "values": json.loads(text)}


def tokenizer_part(tokenizer: Tokenizer | None) -> dict[str, Any] | None:
    """The tokenizer: small facts as they are, a digest of each large one, and a digest of all of it; None for none."""
    if tokenizer is None:
        return None
    small = {name: getattr(tokenizer, name) for name in SMALL}
    large = {name: _large(getattr(tokenizer, name)) for name in LARGE}
    facts = {name: value for name, value in (small | large).items() if value is not None}
    text = canonical_json(facts)
    return {"sha256": hashlib.sha256(text).hexdigest(), **json.loads(text)}


def _large(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"count": len(value), "sha256": hashlib.sha256(canonical_json(value)).hexdigest()}
