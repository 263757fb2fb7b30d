"""Comparing what two models say about themselves: configuration, tokenizer, metadata, ties.

Formats do not say the same things. A fact that both state must be the same. One that only one states counts when it
means something (a dimension, a merge) and is a remark when it is a trifle (who wrote the file, and when).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.architectures import family
from hub.ir import Config, Model
from hub.pipeline.compare import Difference, compare_mappings, compare_tokenizers

# Fields of a tokenizer that change ids or text; the others (pre, flags, types, scores ...) not every format can state.
TOKENIZER = ("tokenizer", "tokenizer.kind", "tokenizer.tokens", "tokenizer.merges", "tokenizer.chat_template")

# Keys of config.json about the file or the program, not about the model.
TRIFLES = {"torch_dtype", "dtype", "transformers_version", "_name_or_path", "use_cache", "_attn_implementation"}

# Files whose content is compared as configuration or tokenizer.
COMPARED = {
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
    "added_tokens.json", "chat_template.json",
}  # fmt: skip

# Keys of a format's own that say how the weights are encoded: where encodings differ, they follow, and tell no more.
OF_ENCODINGS = {"keys.general.file_type", "keys.general.quantization_version"}

LONGEST = 200


@dataclass(frozen=True, slots=True)
class FactDifference:
    """A fact that is not the same: under `key`, `a` on one side and `b` on the other (None: not stated).

    `counts` is False for a remark: only one side states it, and it changes nothing.
    """

    section: str
    key: str
    a: Any
    b: Any
    counts: bool


def compare_facts(a: Model, b: Model, same_format: str | None) -> list[FactDifference]:
    """What `a` and `b` say differently; `same_format` names the format when it is the same on both sides."""
    found = [*compare_config_facts(a.config, b.config)]
    found += tokenizer_facts(compare_tokenizers(a.tokenizer.get(), b.tokenizer.get()))
    found += _section("metadata", compare_mappings(_card(a), _card(b)), lambda _: False, _is_scalar)
    found += _section("files", _files(a, b), lambda _: False)
    return found + ([*_own(a, b, same_format)] if same_format else [])


def _own(a: Model, b: Model, name: str) -> Iterator[FactDifference]:
    """What two models of format `name` say in its own terms: every metadata key counts, layout does not."""
    x, y = (_keyed(m.source.get().get(name) or {}) for m in (a, b))
    keyed = tuple(f"{k}." for block in (x, y) for k, value in block.items() if isinstance(value, Mapping))
    encodings = [{n: t.encoding for n, t in m.tensors.items()} for m in (a, b)]
    follows = OF_ENCODINGS if encodings[0] != encodings[1] else set()

    def counts(difference: Difference) -> bool:
        return difference.key.startswith(keyed) and difference.key.removesuffix(".value") not in follows

    return _section(name, compare_mappings(x, y), counts, counts)


def _files(a: Model, b: Model) -> list[Difference]:
    """Companion JSON files that both sides have and that say different things, key by key."""
    both = [n for n in a.files if n in b.files and n.endswith(".json") and n not in COMPARED]
    x, y = ({n: _parsed(m.files[n]) for n in both if m.files[n] != other.files[n]} for m, other in ((a, b), (b, a)))
    return compare_mappings(x, y)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return short(data.decode("utf-8", "replace"))


def compare_config_facts(a: Config, b: Config) -> Iterator[FactDifference]:
    """What two configurations say differently, in canonical terms where their family is known."""
    known = (family(a) or family(b)) if a and b else None
    meant = {*known.required_facts, *known.defaults} if known else set()
    x, y = (known.facts(a), known.facts(b)) if known else (a, b)
    differences = compare_mappings(x, y)
    return _section("config", differences, lambda d: d.key in meant, lambda d: d.key not in TRIFLES)


def tokenizer_facts(differences: Sequence[Difference]) -> Iterator[FactDifference]:
    """Differences of two tokenizers (keys such as `tokenizer.merges[3]`) with what each of them means."""
    return _section("tokenizer", differences, _changes_ids)


def _changes_ids(difference: Difference) -> bool:
    key = difference.key.partition(" ")[0].partition("[")[0]
    return key in TOKENIZER or key.startswith("tokenizer.special")


def _card(model: Model) -> dict[str, Any]:
    """Metadata without what the hub itself says about the file; a list of one is the same as its only entry."""
    card = {k: v for k, v in model.metadata.items() if k not in {"format", "quantization"}}
    return {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in card.items()}


def _keyed(block: Mapping[str, Any]) -> dict[str, Any]:
    """`block` with lists of {"key": ...} as mappings, so that an entry is compared with its namesake."""
    return {name: {v["key"]: v for v in value} if _has_keys(value) else value for name, value in block.items()}


def _has_keys(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, Mapping) and isinstance(v.get("key"), str) for v in value)


def _is_scalar(difference: Difference) -> bool:
    """Names and licenses are kept by every format; lists, such as tags, are added to by some."""
    lists = isinstance(difference.a, list) or isinstance(difference.b, list)
    return not lists and not difference.key.endswith((")", "]"))


def _section(
    section: str,
    differences: Sequence[Difference],
    one_sided: Callable[[Difference], bool],
    two_sided: Callable[[Difference], bool] = lambda _: True,
) -> Iterator[FactDifference]:
    """`one_sided` says whether a fact counts that one side does not state, `two_sided` whether one that both state."""
    for d in differences:
        counts = (two_sided if d.a is not None and d.b is not None else one_sided)(d)
        yield FactDifference(section, d.key.removeprefix(f"{section}."), short(d.a), short(d.b), counts)


def short(value: Any) -> Any:
    """`value` where it is small; a long text or collection in words."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}... ({len(value)} characters)"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes):
        return value if len(repr(value)) <= LONGEST else f"{len(value)} entries"
    return f"{len(value)} bytes" if isinstance(value, bytes) else value
