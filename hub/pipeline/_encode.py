"""`--encode ENC[:pattern]`: which tensors the user wants in another encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from hub import codecs
from hub.errors import UsageError
from hub.ir import ENCODINGS, Encoding, Model, Tensor


@dataclass(frozen=True, slots=True)
class Rule:
    """Encode tensors whose canonical name matches `pattern` (shell style) as `encoding`.

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
            return fnmatchcase(tensor.name, self.pattern)
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
            reasons[name] = f"kept {tensor.encoding}: rows of {tensor.columns} are not whole blocks of {rule.encoding}"
            continue
        tensors[name] = codecs.recode(tensor, rule.encoding)
        reasons[name] = f"--encode {rule.encoding.name.lower()}"
    for rule in rules:
        if rule not in used:
            where = f" matching {rule.pattern!r}" if rule.pattern else ""
            raise UsageError(f"--encode {rule.encoding.name.lower()} changes nothing: no other tensor{where} to encode")
    return replace(model, tensors=tensors), reasons


def reasons_of(sources: Sequence[str], reasons: Mapping[str, str]) -> str:
    """The first reason that one of the canonical names has."""
    return next((reasons[s] for s in sources if s in reasons), "")
