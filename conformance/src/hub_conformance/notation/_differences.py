"""What two models have not in common, aspect by aspect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

from hub.ir import ENCODINGS, Encoding, Model, Tensor
from hub.pipeline.compare import compare_configs, compare_mappings, compare_tokenizers
from hub_conformance.notation._document import model_of
from hub_conformance.notation._dump import digest

Aspect = Literal["tensors", "config", "tokenizer", "ties", "metadata", "files", "source", "naming"]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)

# Said of the file that was read, not of the model.
OF_THE_FILE = frozenset({"format", "quantization"})


def differences(expected: Mapping[str, Any], got: Model) -> list[str]:
    """What `got` has otherwise than the document `expected` says, one line each; empty when they are equal.

    A tensor that the document knows by its digest is compared by that. `metadata` that only `got` has is no
    difference, nor is what describes the file (`format`, `quantization`).
    """
    digests = {entry["name"]: entry for entry in expected["tensors"] if "sha256" in entry}
    model = model_of(expected)
    plain = {name: tensor for name, tensor in model.tensors.items() if name not in digests}
    lines = list(_missing(model.tensors, got.tensors))
    lines += [line for name, entry in digests.items() for line in _by_digest(entry, got.tensors.get(name))]
    lines += [
        line for name, tensor in plain.items() if name in got.tensors for line in exact(tensor, got.tensors[name])
    ]
    for aspect in ASPECTS[1:]:
        lines += aspects(model, got, aspect)
    return lines


def aspects(a: Model, b: Model, aspect: Aspect) -> list[str]:
    """What became of one aspect of model `a` in model `b`, one line each; tensors bit for bit."""
    return list(_COMPARE[aspect](a, b))


def _tensors(a: Model, b: Model) -> Iterator[str]:
    yield from _missing(a.tensors, b.tensors)
    yield from (line for name, t in a.tensors.items() if name in b.tensors for line in exact(t, b.tensors[name]))


def _missing(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"tensor {name!r} is missing" for name in a if name not in b)
    yield from (f"tensor {name!r} is new" for name in b if name not in a)


def exact(a: Tensor, b: Tensor) -> Iterator[str]:
    """Why `b` has not the shape, the encoding and the bytes of `a`."""
    lines = list(_formed(a.name, a.shape, a.encoding, b))
    if not lines and digest(a) != digest(b):
        x, y = a.read(), b.read()
        at = next(i for i, pair in enumerate(zip(x, y, strict=True)) if pair[0] != pair[1])
        lines = [f"tensor {a.name!r}: bytes differ (first at byte {at} of {len(x)})"]
    yield from lines


def _formed(name: str, shape: tuple[int, ...], encoding: Encoding, got: Tensor) -> Iterator[str]:
    if got.shape != shape:
        yield f"tensor {name!r}: shape {list(shape)} became {list(got.shape)}"
    if got.encoding != encoding:
        yield f"tensor {name!r}: {encoding} became {got.encoding}"


def _by_digest(entry: Mapping[str, Any], got: Tensor | None) -> Iterator[str]:
    if got is None:
        return
    lines = list(_formed(entry["name"], tuple(entry["shape"]), ENCODINGS[entry["encoding"]], got))
    if not lines and digest(got) != entry["sha256"]:
        lines = [f"tensor {entry['name']!r}: bytes differ"]
    yield from lines


def _config(a: Model, b: Model) -> list[str]:
    return [str(d) for d in compare_configs(a.config, b.config)]


def _tokenizer(a: Model, b: Model) -> list[str]:
    return [str(d) for d in compare_tokenizers(a.tokenizer.get(), b.tokenizer.get())]


def _ties(a: Model, b: Model) -> list[str]:
    return [str(d) for d in compare_mappings(a.ties, b.ties, "ties.")]


def _metadata(a: Model, b: Model) -> list[str]:
    stated = {key: value for key, value in a.metadata.items() if key not in OF_THE_FILE}
    return [str(d) for d in compare_mappings(stated, {k: b.metadata.get(k) for k in stated}, "metadata.")]


def _files(a: Model, b: Model) -> list[str]:
    lines = [f"file {name!r} is missing" for name in a.files if name not in b.files]
    lines += [f"file {name!r} is new" for name in b.files if name not in a.files]
    return lines + [f"file {name!r} differs" for name in a.files if name in b.files and a.files[name] != b.files[name]]


def _source(a: Model, b: Model) -> list[str]:
    found = b.source.get()
    return [f"source {name!r} differs" for name, block in a.source.get().items() if found.get(name) != block]


def _naming(a: Model, b: Model) -> list[str]:
    same = (a.naming, set(a.unnamed)) == (b.naming, set(b.unnamed))
    return [] if same else [f"naming: {a.naming} became {b.naming}, {len(b.unnamed)} of {len(a.unnamed)} unnamed"]


_COMPARE: dict[Aspect, Callable[[Model, Model], Iterable[str]]] = {
    "tensors": _tensors, "config": _config, "tokenizer": _tokenizer, "ties": _ties, "metadata": _metadata,
    "files": _files, "source": _source, "naming": _naming,
}  # fmt: skip
