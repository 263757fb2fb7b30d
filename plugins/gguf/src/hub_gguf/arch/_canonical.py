"""GGUF names, rows and values to Hugging Face's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.architectures import Family
from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Config, Tensor
from hub_gguf.arch._config import config_of, family_of
from hub_gguf.arch._pieces import matched, pieces
from hub_gguf.arch._reading import Source
from hub_gguf.arch._rules import Rule
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
    unmapped: list[str] = []
    flat = next((name for name, tensor in tensors.items() if not tensor.shape), None)
    if flat is not None:
        raise DamagedFile("no dimensions were found, at least one was expected", tensor=flat)
    match = matched(entry, family, tensors)
    source = Source(entry, family, kv, tensors, frozenset(match.rules.values()))
    config = config_of(source)
    facts = family.facts(config)
    layers = facts.require("num_hidden_layers", int)
    made: dict[str, Tensor] = {}
    for name, held in match.names.items():
        if held and not (held[0].numbers and held[0].numbers[0] >= layers):
            for usual, piece in pieces(tensors[name], held, facts):
                made |= {t.name: t for t in _parts(family, piece, usual.numbers, match.rules[str(usual)], facts)}
        elif name not in source.used:
            unmapped.append(name)
    return Canonical(made, config, ties(family, made), tuple(source.notes), tuple(unmapped))


def ties(family: Family, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The output projection as an alias of the embedding, where a file has none of its own."""
    if family.head is None or family.head[0] in tensors or family.head[1] not in tensors:
        return {}
    return {family.head[0]: family.head[1]}


def _parts(family: Family, tensor: Tensor, numbers: tuple[int, ...], rule: Rule, facts: Config) -> Iterator[Tensor]:
    if not rule.stacked or len(numbers) > 1:  # one expert of an older file
        yield rule.op.hf(tensor, facts).named(rule.hf.format(*numbers) + rule.suffix)
        return
    count = family.count(rule.count, facts)
    if len(tensor.shape) < 2 or tensor.shape[0] != count:
        raise DamagedFile(f"shape {list(tensor.shape)} was found, a stack of {count} was expected", tensor=tensor.name)
    for at in range(count):
        part = tensor.slice(at, at + 1).reshaped(*tensor.shape[1:])
        yield rule.op.hf(part, facts).named(rule.hf.format(*numbers, at) + rule.suffix)
