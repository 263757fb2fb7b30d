"""Everything of a model beside its tensors as bytes, for formats that have no notation of their own for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from math import isfinite, isnan
from pathlib import Path
from typing import Any, TypeVar, get_args

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir._config import Config
from hub.ir._model import Lazy, Model
from hub.ir._tensor import Tensor
from hub.ir._tokenizer import Kind, Tokenizer

T = TypeVar("T")

VERSION = 1

# What JSON has no word for stands in an object with one of these keys. A key of the model's own that starts so is
# written with the sign twice.
_BYTES, _FLOAT, _SIGN = "$base64", "$float", "$"


def packed_facts(model: Model) -> bytes:
    """Config, ties, metadata, naming, tokenizer, source keys and companion files of `model` as four lines of JSON.

    `unpacked_facts` gives back what went in. Notes and the title of the source's format are left out: they are about
    the file that was read. Lines: what is small; the tokenizer; the source's keys; the files. `UnsupportedFile` when
    the model holds something that is no JSON value, bytes or number.
    """
    small = {
        "hub": VERSION,
        "config": dict(model.config),
        "ties": dict(model.ties),
        "metadata": {k: v for k, v in model.metadata.items() if k != "format"},
        "naming": model.naming,
        "unnamed": list(model.unnamed),
    }
    tokenizer = model.tokenizer.get()
    told = tokenizer and {f.name: getattr(tokenizer, f.name) for f in fields(Tokenizer)}
    lines = (small, told, model.source.get(), model.files)
    return b"".join(json.dumps(_plain(line), allow_nan=False).encode() + b"\n" for line in lines)


def unpacked_facts(data: bytes, tensors: Mapping[str, Tensor], *, file: Path | str | None = None) -> Model:
    """A model of `tensors` and what `packed_facts` put into `data`; tokenizer and source keys are parsed when used.

    `DamagedFile` naming `file` for anything else.
    """
    lines = data.split(b"\n")
    if len(lines) != 5 or lines[4]:
        raise DamagedFile(f"{len(lines) - 1} lines of facts are there, 4 were expected", file=file)

    def line(number: int, make: Callable[[Any], T]) -> T:
        return _made(lines[number], make, f"line {number + 1} of the facts", file)

    facts = line(0, _small)
    return Model(
        tensors,
        config=Config(facts["config"], file=None if file is None else str(file)),
        tokenizer=Lazy(lambda: line(1, _tokenizer)),
        metadata=facts["metadata"],
        ties=_texts(facts["ties"]),
        files=line(3, _files),
        source=Lazy(lambda: line(2, _object)),
        naming=facts["naming"],
        unnamed=tuple(facts["unnamed"]),
    )


def _made(data: bytes, make: Callable[[Any], T], what: str, file: Path | str | None) -> T:
    try:
        return make(_real(json.loads(data)))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedFile(f"{what}: {error!r}", file=file) from error


def _plain(value: Any) -> Any:
    """`value` in JSON's own types."""
    if isinstance(value, Mapping):
        return {_SIGN + str(k) if str(k).startswith(_SIGN) else str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return {_FLOAT: "nan" if isnan(value) else "inf" if value > 0 else "-inf"}
    if value is None or isinstance(value, str | int | float):
        return value
    raise UnsupportedFile(f"{type(value).__name__} among the facts of the model, which JSON has no word for")


def _real(value: Any) -> Any:
    """What `_plain` made `value` of."""
    if isinstance(value, list):
        return [_real(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == _BYTES:
            return base64.b64decode(inner, validate=True)
        if key == _FLOAT:
            return float(inner)
    return {k.removeprefix(_SIGN): _real(v) for k, v in value.items()}


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} where an object was expected")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {k: _of(v, str) for k, v in _object(value).items()}


def _files(value: Any) -> dict[str, bytes]:
    return {k: _of(v, bytes) for k, v in _object(value).items()}


def _of(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} where {kind.__name__} was expected")
    return value


def _small(value: Any) -> dict[str, Any]:
    facts = _object(value)
    if facts["hub"] != VERSION:
        raise ValueError(f"version {facts['hub']!r} of the facts is not known")
    if facts["naming"] not in ("hf", "native"):
        raise ValueError(f"naming {facts['naming']!r} is not known")
    for key in ("config", "ties", "metadata"):
        _object(facts[key])
    facts["unnamed"] = [_of(name, str) for name in _of(facts["unnamed"], list)]
    return facts


_ITEMS: dict[str, type | tuple[type, ...]] = {"scores": (int, float), "types": int}


def _tokenizer(value: Any) -> Tokenizer | None:
    if value is None:
        return None
    told = _object(value)
    if told["kind"] not in get_args(Kind):
        raise ValueError(f"tokenizer of kind {told['kind']!r}")
    for key in ("tokens", "scores", "types", "merges"):
        if told[key] is not None or key == "tokens":
            kind = _ITEMS.get(key, str)
            if not all(isinstance(one, kind) for one in _of(told[key], list)):
                raise TypeError(f"{key} of another type")
    return Tokenizer(**told)
