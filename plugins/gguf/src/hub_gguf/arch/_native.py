"""Hugging Face names, rows and values to GGUF's, as llama.cpp's converter writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hub.architectures import Family, family, usual
from hub.codecs import Recoded, recode
from hub.errors import DamagedFile, HubError, MissingFact, UnsupportedFile
from hub.interface import PlannedTensor
from hub.ir import F32, Change, Config, Encoding, Model, Tensor, stacked
from hub_gguf.arch._keys import NEEDED
from hub_gguf.arch._lost import lost
from hub_gguf.arch._names import Name
from hub_gguf.arch._pooling import pooling_keys
from hub_gguf.arch._rope import extra_tensors
from hub_gguf.arch._rules import Rule, by_hf
from hub_gguf.arch._tables import BY_FAMILY, Arch
from hub_gguf.container import Value

_PLAIN = frozenset({"F16", "BF16", "F64"})  # what becomes F32 where llama.cpp wants it; blocks stay


@dataclass(frozen=True)
class Native:
    """A model as GGUF holds it.

    `keys`: the `{arch}.*` keys in the converter's order; `general.*` and `tokenizer.*` are not here. `tensors`: GGUF
    names, rows and values with the canonical names each carries, in the model's order. `unmapped`: canonical tensors
    without a place. `dropped`: tensors left out on purpose (buffers that are computed, heads that no llama.cpp graph
    has), each with what it is. `notes`: facts of the config that the file does not hold.
    """

    arch: str
    keys: Mapping[str, Value]
    tensors: Sequence[PlannedTensor]
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)


def _unknown(model_type: str | None) -> HubError:
    if model_type is None:
        return MissingFact("nothing says the architecture", hint="state it with --assume model_type=NAME")
    known = ", ".join(sorted(BY_FAMILY))
    return UnsupportedFile(f"model type {model_type!r} is in no table of GGUF architectures", hint=f"known: {known}")


def from_canonical(model: Model) -> Native:
    """The GGUF form of a canonical model whose family is in the tables.

    `UnsupportedFile` when the family is in no table or the weights are packed; `MissingFact` when config lacks what a
    key or a rule needs; `DamagedFile` when shapes contradict the config or a stack lacks a part.
    """
    known = family(model.config)
    if known is None or known.model_type not in BY_FAMILY:
        raise _unknown(model.config.family)
    _refuse_packed(model.config)
    arch = BY_FAMILY[known.model_type]
    facts = known.facts(model.config)
    planner = _Planner(arch, known, facts)
    extra = [PlannedTensor(t, (), "made from the rope scaling of the config") for t in extra_tensors(facts)]
    planned = [*extra, *planner.plan(model.tensors)]
    keys = keys_of(arch, facts) | pooling_keys(arch, model)
    notes = [*_assumed(known, model.config), *lost(arch, known, facts, keys, planned)]
    return Native(arch.name, keys, planned, tuple(notes), tuple(planner.unmapped), planner.dropped)


def _refuse_packed(config: Config) -> None:
    """Packed weights go with scales that no GGUF tensor takes: without them the numbers would be others."""
    packed = config.fact("quantization_config", dict)
    if packed:
        raise UnsupportedFile(
            f"the weights are packed by {packed.get('quant_method', 'quantization_config')!s:.40}",
            hint="convert the checkpoint they were made from",
        )


def _assumed(known: Family, config: Config) -> list[str]:
    said = ", ".join(f"{key}={value}" for key, value in known.assumed(config).items())
    return [f"not in the config, taken as the class of {known.model_type} does: {said}"] if said else []


def keys_of(arch: Arch, facts: Config) -> dict[str, Value]:
    """The `{arch}.*` keys in order; `MissingFact` names one that llama.cpp cannot do without."""
    keys = {}
    for name in arch.keys:
        rule = arch.key(name)
        value = rule.value(facts)
        if value is not None:
            keys[f"{arch.name}.{name}"] = Value(rule.type, value, rule.item)
        elif name in NEEDED:
            raise MissingFact(
                f"the configuration has no {rule.fact!r}, which {arch.name}.{name} says",
                hint=f"state it with --assume {rule.fact}=VALUE",
            )
    return keys


@dataclass(frozen=True, slots=True)
class _Part:
    """A tensor of the model, under its name there: as it was before somebody asked for another encoding, and which.

    `importance` weighs that encoding's errors (`hub.codecs.recode`).
    """

    source: str
    tensor: Tensor
    asked: Encoding | None = None
    importance: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, source: str, tensor: Tensor) -> _Part:
        """Rules turn, stack and shift what was there; what was asked for is made of the result."""
        rows = tensor.rows
        if tensor.encoding.flat:  # no rows to move, and no such encoding in GGUF
            return cls(source, recode(tensor, F32))
        if isinstance(rows, Recoded) and rows.change is Change.RECODED:
            base = replace(rows.base, name=tensor.name, shape=tensor.shape)
            return cls(source, base, tensor.encoding, rows.importance)
        return cls(source, tensor)


class _Planner:
    """Collects the tensors of one model; parts of stacks wait until all of their layer are there."""

    def __init__(self, arch: Arch, known: Family, facts: Config) -> None:
        self.arch, self.family, self.facts = arch, known, facts
        self.rules = by_hf(arch.name, known.model_type)
        self.layers = facts.require("num_hidden_layers", int)
        self.waiting: dict[tuple[str, int], dict[tuple[Rule, int], _Part]] = {}
        self.unmapped: list[str] = []
        self.dropped: dict[str, str] = {}

    def plan(self, tensors: Mapping[str, Tensor]) -> Iterator[PlannedTensor]:
        """The GGUF tensors in the model's order; a stack stands where its last part stood."""
        for source, held in usual(self.family, tensors):
            part = _Part.of(source, held)
            name = Name.parse(held.name)
            rule = self.rules.get((name.stem, name.suffix))
            if rule is None or (name.numbers and name.numbers[0] >= self.layers):
                self._leave(source, held.name)
            elif rule.stacked:
                yield from self._stack(rule, name.numbers, part)
            else:
                made = rule.op.gguf(part.tensor, self.facts).named(rule.gguf.format(*name.numbers) + rule.suffix)
                yield _planned(rule, made, [part])
        self._check_stacks()

    def _leave(self, source: str, name: str) -> None:
        dropped = {start: what for start, what in self.arch.dropped.items() if name.startswith(start)}
        if name.endswith(self.family.computed):
            dropped = {name: "computed by the model"}
        elif self.family.head and name == self.family.head[0] and self.facts.fact("tie_word_embeddings", bool):
            dropped = {name: "tied to the embedding"}
        if dropped:
            self.dropped[source] = next(iter(dropped.values()))
        elif source not in self.unmapped:
            self.unmapped.append(source)

    def _stack(self, rule: Rule, numbers: tuple[int, ...], part: _Part) -> Iterator[PlannedTensor]:
        group = _group(rule)
        parts = self.waiting.setdefault((group, numbers[0]), {})
        parts[rule, numbers[-1]] = part
        members = sorted((r for r in self.rules.values() if _group(r) == group), key=lambda r: r.hf)
        if len(parts) < len(members) * self._count(rule):
            return
        del self.waiting[group, numbers[0]]
        for member in members:
            yield self._stacked(member, numbers[0], parts)

    def _stacked(self, rule: Rule, layer: int, parts: Mapping[tuple[Rule, int], _Part]) -> PlannedTensor:
        missing = [at for at in range(self._count(rule)) if (rule, at) not in parts]
        if missing:
            raise DamagedFile("is missing", tensor=rule.hf.format(layer, missing[0]) + rule.suffix)
        chosen = [parts[rule, at] for at in range(self._count(rule))]
        tensors = [rule.op.gguf(part.tensor, self.facts) for part in chosen]
        if any(t.shape != tensors[0].shape for t in tensors):
            raise DamagedFile("the parts of a stack differ in shape", tensor=tensors[0].name)
        if any(t.encoding != tensors[0].encoding for t in tensors):
            tensors = [recode(t, F32) for t in tensors]
        made = stacked(rule.gguf.format(layer) + rule.suffix, tensors)
        return _planned(rule, made, chosen)

    def _count(self, rule: Rule) -> int:
        return self.family.count(rule.count, self.facts)

    def _check_stacks(self) -> None:
        for (group, layer), parts in self.waiting.items():
            some = next(iter(parts.values())).tensor.name
            raise DamagedFile(
                f"only {len(parts)} parts of layer {layer}'s {group.split('.')[-2]} are in the model", tensor=some
            )


def _group(rule: Rule) -> str:
    """What must be complete before a stack of it is written: a layer's experts, the heads of one norm."""
    return rule.hf.rpartition("{}")[0] if rule.stacked else ""


def _planned(rule: Rule, made: Tensor, parts: Sequence[_Part]) -> PlannedTensor:
    sources = tuple(dict.fromkeys(part.source for part in parts))
    asked = {part.asked for part in parts}.pop()
    if rule.full(len(made.shape)):
        if made.encoding.name in _PLAIN:
            return PlannedTensor(recode(made, F32), sources, "llama.cpp wants it in F32")
        return PlannedTensor(made, sources, f"kept {made.encoding} for llama.cpp" if asked else "")
    if asked and made.columns % asked.block:
        kept = f"kept {made.encoding}: rows of {made.columns} are not whole blocks of {asked}"
        return PlannedTensor(made, sources, kept)
    if asked:
        return PlannedTensor(recode(made, asked, _importance(parts)), sources, "")
    return PlannedTensor(made, sources, "decoded to be turned" if made.change > Change.MOVED else "")


def _importance(parts: Sequence[_Part]) -> NDArray[np.float32] | None:
    """What weighs the errors of a tensor that is made of `parts`: a row for each; None unless all have it."""
    found = [part.importance for part in parts if part.importance is not None]
    return np.stack(found) if len(found) == len(parts) else None
