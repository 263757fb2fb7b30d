"""GGUF names, rows and values to Hugging Face's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.architectures import Family
from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Config, Tensor
from hub_gguf.arch._config import Source, config_of, family_of
from hub_gguf.arch._names import Name
from hub_gguf.arch._rules import Rule, by_gguf
from hub_gguf.arch._tables import ARCHES


@dataclass(frozen=True)
class Canonical:
    """A GGUF model in canonical form.

    `tensors` by Hugging Face name, in the file's order; `config` with config.json's keys; `ties` as in `hub.ir.Model`;
    `notes`: what was derived or could not be found; `unmapped`: tensors that no rule covers.
    """

    tensors: Mapping[str, Tensor]
    config: Config
    ties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()


def to_canonical(arch: str, kv: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Canonical:
    """The canonical form of a GGUF file whose architecture is in the tables.

    `kv`: all keys with plain values. `tensors`: by GGUF name, row-major. `UnsupportedFile` when `arch` is in no table
    or a key lists one value a layer; `DamagedFile` when shapes contradict keys; `MissingFact` when a rule needs a key
    that is not there.
    """
    if arch not in ARCHES:
        raise UnsupportedFile(f"architecture {arch!r} is in no table")
    entry = ARCHES[arch]
    family = family_of(entry, kv)
    known = by_gguf(arch, family.model_type)
    names = {name: Name.parse(name) for name in tensors}
    ruled = {name: known[n.stem, n.suffix] for name, n in names.items() if (n.stem, n.suffix) in known}
    source = Source(entry, family, kv, tensors, frozenset(ruled.values()))
    config = config_of(source)
    facts = family.facts(config)
    made: dict[str, Tensor] = {}
    for name, rule in ruled.items():
        made |= {t.name: t for t in _parts(tensors[name], names[name].numbers, rule, facts)}
    unmapped = tuple(name for name in tensors if name not in ruled and name not in source.used)
    return Canonical(made, config, ties(family, made), tuple(source.notes), unmapped)


def ties(family: Family, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The output projection as an alias of the embedding, where a file has none of its own."""
    if family.head is None or family.head[0] in tensors or family.head[1] not in tensors:
        return {}
    return {family.head[0]: family.head[1]}


def _parts(tensor: Tensor, numbers: tuple[int, ...], rule: Rule, facts: Config) -> Iterator[Tensor]:
    if not rule.stacked:
        yield rule.op.hf(tensor, facts).named(rule.hf.format(*numbers) + rule.suffix)
        return
    if len(tensor.shape) < 2:
        raise DamagedFile(f"shape {list(tensor.shape)} was found, a stack was expected", tensor=tensor.name)
    for at in range(tensor.shape[0]):
        part = tensor.slice(at, at + 1).reshaped(*tensor.shape[1:])
        yield rule.op.hf(part, facts).named(rule.hf.format(*numbers, at) + rule.suffix)
