"""Comparing what two models say about themselves: configuration, tokenizer, metadata, ties.

Formats do not say the same things. A fact that both state must be the same. One that only one states counts when it
means something (a dimension, a merge) and is a remark when it is a trifle (who wrote the file, and when).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.architectures import family
from hub.ir import Config, Model
from hub.pipeline.compare import Difference, compare_mappings, compare_tokenizers

# Fields of a tokenizer that change ids or text; the others (pre, flags, types, scores ...) not every format can state.
TOKENIZER = ("tokenizer", "tokenizer.kind", "tokenizer.tokens", "tokenizer.merges", "tokenizer.chat_template")

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
    found = [*_configs(a.config, b.config)]
    found += _section("tokenizer", compare_tokenizers(a.tokenizer.get(), b.tokenizer.get()), _changes_ids)
    found += _section("metadata", compare_mappings(_card(a), _card(b)), lambda _: False)
    if same_format is not None:
        # Here both sides can say everything, so every key of the format's own counts.
        x, y = (m.source.get().get(same_format) or {} for m in (a, b))
        found += _section(same_format, compare_mappings(x, y), lambda _: True)
    return found


def _configs(a: Config, b: Config) -> Iterator[FactDifference]:
    known = family(a) or family(b)
    if known is None:
        return _section("config", compare_mappings(a, b), lambda _: False)
    meant = {*known.required_facts, *known.defaults}
    x, y = known.facts(a), known.facts(b)
    return _section("config", compare_mappings(x, y), lambda d: d.key in meant and bool(a) and bool(b))


def _changes_ids(difference: Difference) -> bool:
    key = difference.key.partition(" ")[0].partition("[")[0]
    return key in TOKENIZER or key.startswith("tokenizer.special")


def _card(model: Model) -> dict[str, Any]:
    """Metadata without what the hub itself says about the file."""
    return {k: v for k, v in model.metadata.items() if k not in {"format", "quantization"}}


def _section(
    section: str, differences: Sequence[Difference], meant: Callable[[Difference], bool]
) -> Iterator[FactDifference]:
    for d in differences:
        both = d.a is not None and d.b is not None
        yield FactDifference(section, d.key.removeprefix(f"{section}."), short(d.a), short(d.b), both or meant(d))


def short(value: Any) -> Any:
    """`value` where it is small; a long text or collection in words."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}... ({len(value)} characters)"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes):
        return value if len(repr(value)) <= LONGEST else f"{len(value)} entries"
    return f"{len(value)} bytes" if isinstance(value, bytes) else value
