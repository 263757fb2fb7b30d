"""The general.* keys: from what a model card, generation_config.json and the tensors say, and back.

Keys, their types and order are those of llama.cpp's converter (gguf-py, metadata.py and gguf_writer.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from hub.errors import DamagedFile
from hub.ir import Encoding, Model
from hub_gguf._metadata_names import NameParts, name_parts, title
from hub_gguf.container import Value, ValueType

Keys = dict[str, Value]
Shapes = Sequence[tuple[str, tuple[int, ...]]]

QUANTIZATION_VERSION = 2

# key after "general.sampling.": what generation_config.json calls it, its type
_MOST = {ValueType.INT32: 2.0**31, ValueType.FLOAT32: 2.0**128}  # what these types hold
_SAMPLING: dict[str, tuple[tuple[str, ...], ValueType]] = {
    "sequence": (("sequence",), ValueType.STRING),
    "top_k": (("top_k",), ValueType.INT32),
    "top_p": (("top_p",), ValueType.FLOAT32),
    "min_p": (("min_p",), ValueType.FLOAT32),
    "xtc_probability": (("xtc_probability",), ValueType.FLOAT32),
    "xtc_threshold": (("xtc_threshold",), ValueType.FLOAT32),
    "temp": (("temperature",), ValueType.FLOAT32),
    "penalty_last_n": (("penalty_last_n",), ValueType.INT32),
    "penalty_repeat": (("penalty_repeat", "repetition_penalty"), ValueType.FLOAT32),
    "mirostat": (("mirostat",), ValueType.INT32),
    "mirostat_tau": (("mirostat_tau",), ValueType.FLOAT32),
    "mirostat_eta": (("mirostat_eta",), ValueType.FLOAT32),
}

# key after "general.", in the order of the file: what a model card calls it
_CARD: dict[str, tuple[str, ...]] = {
    "name": ("name", "model_name"),
    "author": ("author", "model_author", "model_creator"),
    "version": ("version", "model_version"),
    "organization": ("organization", "model_organization"),
    "finetune": ("finetune", "model_finetune"),
    "basename": ("basename", "model_basename", "model_type"),
    "description": ("description", "model_description"),
    "quantized_by": ("quantized_by",),
    "size_label": ("size_label", "model_size_label"),
    "license": ("license",),
    "license.name": ("license_name",),
    "license.link": ("license_link",),
    "source.url": ("url", "model_url"),
    "source.doi": ("doi", "model_doi"),
    "source.uuid": ("uuid", "model_uuid"),
    "source.repo_url": ("repo_url", "model_repo_url"),
}
_FROM_NAME = ("name", "organization", "basename", "finetune", "version", "size_label")

# key after "general.": (what a model card calls the list, its other names)
_SOURCES: dict[str, tuple[str, ...]] = {
    "base_model": ("base_model", "base_models", "base_model_sources"),
    "dataset": ("datasets", "dataset", "dataset_sources"),
}
_SOURCE_FIELDS = ("name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url")
_LISTS = {"tags": ("tags", "pipeline_tag"), "languages": ("languages", "language")}
# llama.cpp's `llama_pooling_type`, as sentence-transformers names them
_POOLING = {1: "mean", 2: "cls", 3: "lasttoken"}
_HOST = "https://huggingface.co/"

# llama_ftype (llama.h) of a file whose matrices are mostly of one encoding
_FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K": 12, "Q4_K": 15,
    "Q5_K": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26,
    "IQ2_S": 28, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4": 38, "NVFP4": 39,
    "Q1_0": 40, "Q2_0": 41,
}  # fmt: skip
_FILE_TYPE_NAMES = {number: name for name, number in _FILE_TYPES.items()} | {
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M",
    21: "Q2_K_S", 22: "IQ3_XS", 27: "IQ3_M", 29: "IQ2_M",
}  # fmt: skip


def general_keys(model: Model, tensors: Shapes, target_name: str | None = None) -> Keys:
    """general.type to general.languages for a file that holds `tensors`, (GGUF name, row-major shape) each.

    The model's name comes from its card, else from its configuration, else from its path, else from `target_name`.
    Architecture, file type and quantization version are not among them.
    """
    keys = {"general.type": Value(ValueType.STRING, "model")}
    keys |= _sampling(model)
    keys |= _card(model, tensors, target_name)
    for kind, names in _SOURCES.items():
        keys |= _sources(kind, _first(model.metadata, names), _count(tensors))
    for key, names in _LISTS.items():
        if entries := [str(e) for n in names for e in _listed(model.metadata.get(n))]:
            keys[f"general.{key}"] = Value.array(ValueType.STRING, entries)
    return keys


def read_metadata(kv: Mapping[str, Any]) -> dict[str, Any]:
    """What the general.* keys say, under the names that a model card uses; `quantization` names the file type.

    `generation` holds the sampling parameters under the names of generation_config.json, `pooling` says how the
    vectors of an embedding model's tokens become one.
    """
    out: dict[str, Any] = {names[0]: kv[f"general.{key}"] for key, names in _CARD.items() if f"general.{key}" in kv}
    for kind, names in _SOURCES.items():
        if found := [_source_name(kv, f"general.{kind}.{i}.") for i in range(_bounded(kv, f"general.{kind}.count"))]:
            out[names[0]] = [name for name in found if name]
    for key, name in {"tags": "tags", "languages": "language"}.items():
        if isinstance(values := kv.get(f"general.{key}"), Sequence) and not isinstance(values, str):
            out[name] = list(values)
    if (quantization := _FILE_TYPE_NAMES.get(kv.get("general.file_type", -1))) is not None:
        out["quantization"] = quantization
    if (pooling := _POOLING.get(kv.get(f"{kv.get('general.architecture')}.pooling_type", 0))) is not None:
        out["pooling"] = pooling
    generation = {
        names[-1]: _shortest(kv[f"general.sampling.{key}"])
        for key, (names, _) in _SAMPLING.items() if f"general.sampling.{key}" in kv
    }  # fmt: skip
    return out | ({"generation": generation} if generation else {})


def file_type(encodings: Iterable[tuple[Encoding, tuple[int, ...]]]) -> int:
    """general.file_type for tensors of these (encoding, shape): the encoding that holds most values of matrices."""
    values: Counter[str] = Counter()
    for encoding, shape in encodings:
        values[encoding.name] += prod(shape) * (len(shape) > 1)
    known = [name for name, _ in values.most_common() if name in _FILE_TYPES]
    return _FILE_TYPES[known[0]] if known else 0


def size_label(tensors: Shapes) -> str:
    """How large a model is, in words: "135M", "8x7B" for one with eight experts a layer."""
    shared = experts = stacks = count = 0
    for name, shape in tensors:
        if "_exps." in name and len(shape) >= 3:
            number = shape[-2 if ".bias" in name else -3]
            experts, stacks, count = experts + prod(shape) // number, stacks + 1, count + number
        else:
            shared += prod(shape)
    return (f"{count // stacks}x" if stacks else "") + _rounded(shared + experts)


def _rounded(number: int) -> str:
    for unit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number > unit or suffix == "K":
            break
    scaled = number * (1 / unit)
    digits = max(2 - len(str(round(scaled)).lstrip("0")), 0)
    return f"{scaled:.{digits}f}{suffix}"


def _count(tensors: Shapes) -> int:
    return sum(prod(shape) for _, shape in tensors)


def _sampling(model: Model) -> Keys:
    said = model.metadata.get("generation")
    if "generation_config.json" in model.files:  # the model's own file, which may have been edited since
        try:
            said = json.loads(model.files["generation_config.json"])
        except (ValueError, RecursionError):  # many a checkpoint has a broken one, and nothing else depends on it
            said = {}
    said = said if isinstance(said, dict) else {}
    keys = {}
    for key, (names, kind) in _SAMPLING.items():
        value = _sampled(kind, _first(said, names))
        if value is not None:
            keys[f"general.sampling.{key}"] = Value(kind, value)
    return keys


def _sampled(kind: ValueType, value: Any) -> str | int | float | None:
    """`value` as a key of type `kind` holds it; None when it is nothing of that kind."""
    if kind is ValueType.STRING:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST[kind]:
        return None
    return int(value) if kind is ValueType.INT32 else float(value)


def _card(model: Model, tensors: Shapes, target_name: str | None) -> Keys:
    card = model.metadata
    found = {key: _first(card, names) for key, names in _CARD.items()}
    stated = model.config.get("_name_or_path")
    ids = [stated] if isinstance(stated, str) and stated.count("/") <= 1 else []
    if found["name"] in [model_id.rpartition("/")[2] for model_id in ids]:
        found["name"] = None
    path = model.path
    ids += [path.stem if path.is_file() else path.name] if path else [target_name] if target_name else []
    for model_id in ids:
        parts = _titled(name_parts(model_id, _count(tensors)))
        for key in _FROM_NAME:
            if found[key] is None:
                found[key] = getattr(parts, key)
    found["size_label"] = found["size_label"] or size_label(tensors)
    licenses = found["license"]
    found["license"] = ",".join(map(str, licenses)) if isinstance(licenses, list) else licenses
    return {f"general.{k}": Value(ValueType.STRING, str(v)) for k, v in found.items() if v is not None}


def _sources(kind: str, stated: Any, parameters: int) -> Keys:
    if stated is None:
        return {}
    entries = [_source(entry, parameters) for entry in _listed(stated)]
    keys = {f"general.{kind}.count": Value(ValueType.UINT32, len(entries))}
    for i, entry in enumerate(entries):
        keys |= {
            f"general.{kind}.{i}.{field}": Value(ValueType.STRING, str(entry[field]))
            for field in _SOURCE_FIELDS if entry.get(field) is not None
        }  # fmt: skip
    return keys


def _source(entry: Any, parameters: int) -> dict[str, Any]:
    if isinstance(entry, dict):
        return entry
    text = str(entry)
    if not text.startswith(("http://", "https://", "ssh://")):
        parts = name_parts(text, parameters)
        url = f"{_HOST}{parts.organization}/{parts.name}" if parts.organization is not None else None
        return _described(parts, url)
    model_id = text.partition("huggingface.co/")[2]
    known = model_id.count("/") == 1 and not model_id.endswith("/") and text.startswith(("http:", "https:"))
    return _described(name_parts(model_id, parameters), text) if known else {"repo_url": text}


def _described(parts: NameParts, url: str | None) -> dict[str, Any]:
    named = _titled(parts)
    return {"name": named.name, "version": named.version, "organization": named.organization, "repo_url": url}


def _titled(parts: NameParts) -> NameParts:
    """The same parts, name and maker written for people."""
    maker = None if parts.organization is None else title(parts.organization)
    return replace(parts, name=title(parts.name or ""), organization=maker)


def _source_name(kv: Mapping[str, Any], prefix: str) -> str | None:
    """What a model card would call the source whose keys start with `prefix`."""
    url = kv.get(f"{prefix}repo_url")
    return url.removeprefix(_HOST) if isinstance(url, str) else kv.get(f"{prefix}name")


def _bounded(kv: Mapping[str, Any], key: str) -> int:
    count = kv.get(key, 0)
    if not isinstance(count, int) or count > len(kv):
        raise DamagedFile(f"{key} is {count!r}, but the file has only {len(kv)} keys")
    return count


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((values[n] for n in names if values.get(n) is not None), None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _shortest(value: Any) -> Any:
    """A float32 that was widened, as the shortest decimal that means it: 0.8999999761581421 is 0.9."""
    import numpy as np

    return float(str(np.float32(value))) if isinstance(value, float) else value
