"""The rules of one family in one architecture: which GGUF tensor holds which tensors of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hub.architectures import FAMILIES
from hub_gguf.arch._names import Name, gguf_stem
from hub_gguf.arch._ops import Op
from hub_gguf.arch._tables import ARCHES, Arch

# Tensors that llama.cpp wants in F32 whatever the model's type, beside vectors, norms and anything but a weight.
FULL = frozenset({"blk.{}.ffn_gate_inp", "blk.{}.ffn_gate_inp_shexp", "position_embd", "token_types"})


@dataclass(frozen=True, slots=True)
class Rule:
    """`hf` and `gguf` stems with the same `suffix`, the operation between them, and where the rule comes from.

    `stacked`: the Hugging Face stem has one number more (an expert, a head); GGUF holds those tensors as one.
    `when`: the condition in the family's table. `count`: what the extra number counts, a letter of `COUNTS`.
    """

    hf: str
    gguf: str
    suffix: str
    op: Op
    stacked: bool
    when: str
    count: str = ""

    def full(self, dimensions: int) -> bool:
        """True when llama.cpp wants the tensor in F32 (the converter's `prepare_tensors`)."""
        return dimensions <= 1 or self.suffix != ".weight" or self.gguf.endswith("_norm") or self.gguf in FULL


@lru_cache
def rules(arch: str, family: str) -> tuple[Rule, ...]:
    """Every rule of `family` as `arch` holds it."""
    entry = ARCHES[arch]
    found = []
    for slot in FAMILIES[family].slots:
        name = Name.parse(_numbered(slot.name))
        gguf = gguf_stem(name.stem, dict(entry.names))
        if gguf:
            found.append(_rule(entry, name, gguf, slot.when, slot.name.rpartition("{")[2][:1]))
    return tuple(found)


def _numbered(template: str) -> str:
    for key in "iehg":
        template = template.replace(f"{{{key}}}", "0")
    return template


def _rule(entry: Arch, name: Name, gguf: str, when: str, count: str) -> Rule:
    stacked = name.stem.count("{}") > gguf.count("{}")
    op = entry.op(name.stem, name.suffix)
    return Rule(name.stem, gguf, name.suffix, op, stacked, when, count if stacked else "")


@lru_cache
def by_gguf(arch: str, family: str) -> dict[tuple[str, str], tuple[Rule, ...]]:
    """The rules by GGUF stem and suffix; more than one where variants of a family share a GGUF name."""
    found: dict[tuple[str, str], tuple[Rule, ...]] = {}
    for rule in rules(arch, family):
        found[rule.gguf, rule.suffix] = (*found.get((rule.gguf, rule.suffix), ()), rule)
    return found


def chosen(rules: Mapping[str, tuple[Rule, ...]]) -> dict[str, Rule]:
    """The rule of each tensor: where there are variants, the one whose condition another tensor shows to hold."""
    shown = {several[0].when for several in rules.values() if len(several) == 1}
    return {name: next((rule for rule in several if rule.when in shown), several[0]) for name, several in rules.items()}


@lru_cache
def by_hf(arch: str, family: str) -> dict[tuple[str, str], Rule]:
    """The rules by Hugging Face stem and suffix."""
    return {(rule.hf, rule.suffix): rule for rule in rules(arch, family)}
