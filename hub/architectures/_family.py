"""A family of models: which tensors it has, of which shapes, and which facts its config.json must state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from hub.architectures._facts import facts
from hub.errors import MissingFact
from hub.ir import Config

# Dimensions by letter, as the tables write them; D (head width), Q, K (all heads, all key heads) and G are worked out.
DIMENSIONS = {
    "V": "vocab_size", "H": "hidden_size", "F": "intermediate_size", "P": "max_position_embeddings",
    "N": "num_attention_heads", "E": "num_experts", "M": "moe_intermediate_size",
    "S": "shared_expert_intermediate_size", "T": "type_vocab_size",
}  # fmt: skip

# No model has more layers, heads or experts; a config.json that says so must not cost time.
MOST = 1 << 16

# What a placeholder in a name counts.
COUNTS = {"i": "num_hidden_layers", "e": "num_experts", "h": "num_attention_heads", "g": "num_key_value_heads"}


@dataclass(frozen=True, slots=True)
class Expected:
    """A tensor that a model of the family has, or may have when not `required`."""

    name: str
    shape: tuple[int, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """One line of a family's table: a name with placeholders, its shape in dimension letters, and when it is there.

    `when` is a conjunction of facts ("attention_bias", "!parallel_attn&two_norms"); "" is always, "maybe" is optional.
    """

    name: str
    shape: tuple[str, ...]
    when: str = ""

    @classmethod
    def parse(cls, line: str) -> Slot:
        """A slot from "NAME SHAPE [WHEN]", the shape's dimensions joined by commas."""
        name, shape, *when = line.split()
        return cls(name, tuple(shape.split(",")), *when)


@dataclass(frozen=True)
class Family:
    """One `model_type` of Hugging Face.

    `classes`: names that `architectures` may hold, the usual one first. `slots`: every tensor. `norm`: the key of the
    norms' epsilon, and the class's own. `defaults`: what the class means when config.json leaves a key out; `derived`:
    what it works out from other facts. `spelling`: the canonical key -> this family's own. `states`: facts that are
    the same for every model of the family and that other formats leave out. `head`: output projection and the
    embedding it may be tied to. `prefixes`, `endings`: what some files start or end a name with, and what it
    is here. `computed`: endings of stored buffers that the class works out by itself.
    """

    model_type: str
    classes: tuple[str, ...]
    slots: tuple[Slot, ...]
    norm: tuple[str, float] = ("rms_norm_eps", 1e-6)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    derived: Mapping[str, Callable[[Config], Any]] = field(default_factory=dict)
    spelling: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict)
    head: tuple[str, str] | None = ("lm_head.weight", "model.embed_tokens.weight")
    prefixes: tuple[tuple[str, str], ...] = ()
    endings: tuple[tuple[str, str], ...] = ()
    computed: tuple[str, ...] = (".rotary_emb.inv_freq",)

    def facts(self, config: Mapping[str, Any]) -> Config:
        """The config under canonical keys, completed by the family's defaults; `MissingFact` for no heads."""
        given = facts(config)
        stated = Config({**self._filled, **given})
        heads = stated.fact("num_attention_heads", int)
        if heads is not None and heads < 1:
            raise MissingFact(f"config 'num_attention_heads' is {heads}, at least 1 was expected")
        return stated.merged({key: _worked_out(rule, stated) for key, rule in self.derived.items()})

    def assumed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers that `config` leaves to the family's class, and what the class takes."""
        given = facts(config)
        numbers = {key: value for key, value in self._filled.items() if type(value) in {int, float}}
        return {key: value for key, value in numbers.items() if key not in given}

    @property
    def _filled(self) -> dict[str, Any]:
        return {**self.defaults, self.norm[0]: self.norm[1]}

    @property
    def required_facts(self) -> tuple[str, ...]:
        """Canonical keys that config.json must state: layers, heads, the sizes of the tensors always there."""
        always = [slot for slot in self.slots if slot.when in {"", "moe"}]
        sizes = {DIMENSIONS[c] for slot in always for part in slot.shape for c in part if c in DIMENSIONS}
        stated = {"num_hidden_layers", "num_attention_heads"} | sizes
        return tuple(sorted(stated - set(self.defaults) - set(self.derived)))

    def expected(self, config: Mapping[str, Any]) -> Iterator[Expected]:
        """Every tensor a model with `config` has or may have; `MissingFact` when a size is not stated."""
        stated = self.facts(config)
        for slot in self.slots:
            outer, *inner = re.findall(r"{(\w)}", slot.name) or [""]
            for layer in range(_count(outer, stated)):
                holds = _holds(slot.when, stated, layer)
                if holds is False and (self.head is None or slot.name != self.head[0]):
                    continue  # a tied output may be stored all the same
                shape = tuple(dimension(part, stated) for part in slot.shape)
                for numbers in product([layer], *(range(_count(key, stated)) for key in inner)):
                    named = dict(zip((outer or "i", *inner), numbers, strict=True))
                    yield Expected(slot.name.format(**named), shape, required=bool(holds))

    def normal(self, name: str) -> str:
        """The family's usual name for a tensor that a file calls `name`.

        A bare model leaves out the prefix that the one with a head has ("layers.0." for "model.layers.0."); others put
        one before (see `prefixes`).
        """
        for found, usual in self.endings:
            if name.endswith(found):
                name = name.removesuffix(found) + usual
        for found, usual in self.prefixes:
            if name.startswith(found):
                return usual + name.removeprefix(found)
        base, inner = self._base
        return f"{base}.{name}" if name.partition(".")[0] in inner else name

    @cached_property
    def _base(self) -> tuple[str, frozenset[str]]:
        """The prefix of the bare model, and the words that follow it."""
        base = self.head[1].partition(".")[0] if self.head else ""
        return base, frozenset(s.name.split(".")[1] for s in self.slots if s.name.startswith(f"{base}."))

    def count(self, placeholder: str, config: Config) -> int:
        """How many layers ("i"), experts ("e"), heads ("h") or key heads ("g") a model with `config` has."""
        return _count(placeholder, config)

    def spelled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical facts under the keys that this family's config.json uses."""
        return {self.spelling.get(key, key): value for key, value in values.items()}


def _worked_out(rule: Callable[[Config], Any], stated: Config) -> Any:
    try:
        return rule(stated)
    except MissingFact:  # named by whoever needs it
        return None


def dimension(text: str, config: Config) -> int:
    """A dimension as the tables write it: terms in letters or digits, joined by "+" and "*"."""
    return sum(_product(term, config) for term in text.split("+"))


def _product(term: str, config: Config) -> int:
    value = 1
    for factor in term.split("*"):
        value *= int(factor) if factor.isdecimal() else _letter(factor, config)
    return value


def _letter(letter: str, config: Config) -> int:
    if letter == "D":
        return config.head_dim
    if letter == "Q":
        return config.head_dim * config.require("num_attention_heads", int)
    if letter in "GK":
        return config.num_kv_heads * (config.head_dim if letter == "K" else 1)
    return config.require(DIMENSIONS[letter], int)


def _count(key: str, config: Config) -> int:
    if not key:
        return 1
    n = config.num_kv_heads if key == "g" else config.require(COUNTS[key], int)
    if not 0 <= n <= MOST:
        raise MissingFact(f"config {COUNTS[key]!r} is {n}, a number from 0 to {MOST} was expected")
    return n


def _holds(when: str, config: Config, layer: int) -> bool | None:
    """True, False, or None when the config does not say."""
    verdicts = [_term(term, config, layer) for term in when.split("&") if term]
    return False if False in verdicts else None if None in verdicts else True


def _term(term: str, config: Config, layer: int) -> bool | None:
    wanted = not term.startswith("!")
    said = _fact(term.lstrip("!"), config, layer)
    return None if said is None else said == wanted


def _fact(name: str, config: Config, layer: int) -> bool | None:
    if name == "moe":
        return _has_experts(config, layer)
    if name == "two_norms":
        return config.fact("new_decoder_architecture", bool) and config.fact("num_ln_in_parallel_attn", int) != 1
    if name == "maybe":
        return None
    return config.fact(name, bool)


def _has_experts(config: Config, layer: int) -> bool:
    step = config.fact("decoder_sparse_step", int) or 1
    return config.require("num_experts", int) > 0 and (layer + 1) % step == 0 and layer not in _plain_layers(config)


def _plain_layers(config: Config) -> list[int]:
    return config.fact("mlp_only_layers", list) or []
