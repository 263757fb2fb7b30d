"""`--encode ENC[:pattern]`: which tensors the user wants in another encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from hub import codecs
from hub.errors import UsageError
from hub.interface import Plan, PlannedTensor
from hub.ir import ENCODINGS, Encoding, Model, Tensor

KEPT = "kept "  # how the reason for a tensor begins that a rule cannot encode


def matches(name: str, pattern: str) -> bool:
    """True when `name` holds `pattern`, or matches it as a glob."""
    return pattern in name or fnmatchcase(name, pattern)


@dataclass(frozen=True, slots=True)
class Rule:
    """Encode tensors whose canonical name holds `pattern`, or matches it as a glob, as `encoding`.

    Without a pattern it means every matrix of numbers; vectors (norms, biases) keep what they have.
    """

    encoding: Encoding
    pattern: str | None = None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """The rule that `ENC` or `ENC:pattern` spells; `UsageError` lists the encodings there are."""
        name, _, pattern = text.partition(":")
        encoding = ENCODINGS.get(name.upper())
        if encoding is None or not codecs.can_encode(encoding):
            known = ", ".join(sorted(e.lower() for e in codecs.ENCODABLE))
            raise UsageError(f"--encode: {name!r} is not an encoding that can be written", hint=f"there are {known}")
        return cls(encoding, pattern or None)

    def wants(self, tensor: Tensor) -> bool:
        """True when the rule speaks of this tensor."""
        if self.pattern is not None:
            return matches(tensor.name, self.pattern)
        return len(tensor.shape) >= 2 and tensor.encoding.kind in {"float", "block"}

    def fits(self, tensor: Tensor) -> bool:
        """True when the tensor's rows are whole blocks of the encoding."""
        return self.encoding.flat or tensor.columns % self.encoding.block == 0


def encoded(model: Model, rules: Sequence[Rule]) -> tuple[Model, dict[str, str]]:
    """`model` with the rules applied (the last that matches counts), and a reason for each tensor they touch.

    `UsageError` when a rule changes nothing: its pattern matches no tensor, or all are as it wants already.
    """
    tensors: dict[str, Tensor] = {}
    reasons: dict[str, str] = {}
    used: set[Rule] = set()
    for name, tensor in model.tensors.items():
        rule = next((r for r in reversed(rules) if r.wants(tensor)), None)
        tensors[name] = tensor
        if rule is None or tensor.encoding == rule.encoding:
            continue
        used.add(rule)
        if not rule.fits(tensor):
            reasons[name] = f"{KEPT}{tensor.encoding}: rows of {tensor.columns} are not whole blocks of {rule.encoding}"
            continue
        tensors[name] = codecs.recode(tensor, rule.encoding)
        reasons[name] = f"--encode {rule.encoding.name.lower()}"
    for rule in rules:
        if rule not in used:
            where = f" matching {rule.pattern!r}" if rule.pattern else ""
            raise UsageError(f"--encode {rule.encoding.name.lower()} changes nothing: no other tensor{where} to encode")
    return replace(model, tensors=tensors), reasons


def check_effect(rules: Sequence[Rule], before: Model, wanted: Model, plan: Plan) -> None:
    """`UsageError` when nothing that a rule changed is written in its encoding: the format wants another one.

    As many bytes as the encoding takes will do too: a format may carry the blocks as plain bytes.
    """
    for rule in rules:
        touched = {n for n, t in wanted.tensors.items() if t.encoding == rule.encoding != before.tensors[n].encoding}
        written = [p for p in plan.tensors if not touched.isdisjoint(p.sources)]
        if not any(p.tensor.encoding == rule.encoding or _carried(p, wanted) for p in written):
            instead = " and ".join(sorted({p.tensor.encoding.name for p in written}))
            why = f"{plan.format} writes {instead} there" if instead else "no row is made of whole blocks"
            raise UsageError(f"--encode {rule.encoding.name.lower()} has no effect: {why}")


def _carried(planned: PlannedTensor, wanted: Model) -> bool:
    return planned.tensor.nbytes == sum(wanted.tensors[name].nbytes for name in planned.sources)


def reasons_of(sources: Sequence[str], reasons: Mapping[str, str]) -> str:
    """The first reason that one of the canonical names has."""
    return next((reasons[s] for s in sources if s in reasons), "")
