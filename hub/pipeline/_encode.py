"""`--encode ENC[:pattern]`, `--encode RECIPE`: which tensors the user wants in another encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from hub import codecs
from hub.errors import UsageError
from hub.interface import Plan, PlannedTensor
from hub.ir import ENCODINGS, Encoding, Model, Tensor
from hub.recipes import RECIPES, WEIGHED, Choice, Importance, Recipe, choose
from hub.targets import DeploymentTarget

KEPT = "kept "  # how the reason for a tensor begins that a rule cannot encode
EVERY = "*"  # the pattern that means every matrix


def matches(name: str, pattern: str) -> bool:
    """True when `name` holds `pattern`, or matches it as a glob."""
    return pattern in name or fnmatchcase(name, pattern)


@dataclass(frozen=True, slots=True)
class Rule:
    """Encode tensors whose canonical name holds `pattern`, or matches it as a glob, as `encoding`.

    Without a pattern, or with "*", it means every matrix of numbers; vectors (norms, biases) keep what they have. With
    a `recipe`, what each matrix gets is what that says, and `encoding` what most get; with `wide`, only matrices that
    take so many bits a value at least, and only where that makes them smaller (`--optimize-size`).
    """

    encoding: Encoding
    pattern: str | None = None
    recipe: Recipe | None = None
    wide: float | None = None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """The rule that `RECIPE`, `ENC` or `ENC:pattern` spells; `UsageError` lists what there is.

        A name that both have (q8_0, q6_k) is the recipe without a pattern and the encoding with one.
        """
        name, colon, pattern = text.partition(":")
        recipe, encoding = RECIPES.get(name.lower()), ENCODINGS.get(name.upper())
        if recipe is not None and not colon:
            return cls(ENCODINGS[recipe.default], None, recipe)
        if recipe is not None and encoding is None:
            raise UsageError(f"--encode: {name} is a recipe for whole models and takes no pattern", hint=f"say {name}")
        if encoding is None or not codecs.can_encode(encoding):
            known = ", ".join(sorted(e.lower() for e in codecs.encodable()))
            recipes = ", ".join(sorted(RECIPES))
            hint = f"there are {known}; and for whole models {recipes}"
            raise UsageError(f"--encode: {name!r} is not an encoding that can be written", hint=hint)
        return cls(encoding, pattern or None)

    @classmethod
    def smallest(cls, target: DeploymentTarget) -> Rule:
        """The rule of `--optimize-size`: the target's recipe, for matrices that are wide enough to gain by it."""
        recipe = RECIPES[target.smallest]
        return cls(ENCODINGS[recipe.default], None, recipe, target.wide)

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.recipe.name if self.recipe else self.encoding.name.lower()

    @property
    def flag(self) -> str:
        """The flag that the user gave."""
        return f"--encode {self.name}" if self.wide is None else "--optimize-size"

    def wants(self, tensor: Tensor) -> bool:
        """True when the rule speaks of this tensor."""
        if self.pattern is not None and self.pattern != EVERY:
            return matches(tensor.name, self.pattern)
        return len(tensor.shape) >= 2 and tensor.encoding.kind in {"float", "block"}

    def choices(self, model: Model, imatrix: bool) -> dict[str, Choice]:
        """What the rule makes of each tensor it speaks of."""
        if self.recipe is not None:
            chosen = choose(self.recipe, model, imatrix)
            return {name: choice for name, choice in chosen.items() if self._gains(model.tensors[name], choice)}
        return {name: Choice(self.encoding) for name, tensor in model.tensors.items() if self.wants(tensor)}

    def _gains(self, tensor: Tensor, choice: Choice) -> bool:
        if self.wide is None:
            return True
        return 8 * tensor.nbytes >= self.wide * tensor.size and choice.encoding.size(tensor.shape) < tensor.nbytes


def encoded(
    model: Model, rules: Sequence[Rule], importance: Importance | None = None
) -> tuple[Model, dict[str, str], list[str]]:
    """`model` with the rules applied (the last that matches counts), a reason for each tensor they touch, and notes.

    Errors are weighed by `importance` where it has something for a tensor. `UsageError` when a rule changes nothing:
    its pattern matches no tensor, or all are as it wants already; or when there is nothing that `importance` changes.
    """
    chosen = [(rule, rule.choices(model, importance is not None)) for rule in rules]
    weights = importance.of(model) if importance is not None else {}
    tensors, reasons, used = dict(model.tensors), dict[str, str](), set[Rule]()
    weighed: dict[str, bool] = {}
    for name, tensor in model.tensors.items():
        rule, choice = next(((r, of[name]) for r, of in reversed(chosen) if name in of), (None, None))
        if rule is None or choice is None or tensor.encoding == choice.encoding:
            continue
        used.add(rule)
        encoding = choice.encoding
        if not encoding.flat and _columns(tensor, rule) % encoding.block:
            reasons[name] = f"{KEPT}{tensor.encoding}: rows of {tensor.columns} are not whole blocks of {encoding}"
            continue
        weight = weights.get(name) if encoding.name in WEIGHED else None
        if encoding.name in WEIGHED:
            weighed[name] = weight is not None
        tensors[name] = codecs.recode(tensor, encoding, weight)
        reasons[name] = f"{rule.flag}{f': {choice.reason}' if choice.reason else ''}"
    _check_used(rules, used)
    return replace(model, tensors=tensors), reasons, _weighed(importance, weighed)


def _columns(tensor: Tensor, rule: Rule) -> int:
    """What must be whole blocks; a recipe has looked at that itself, in the rows that a GGUF has."""
    return 0 if rule.recipe is not None else tensor.columns


def _check_used(rules: Sequence[Rule], used: set[Rule]) -> None:
    for rule in rules:
        if rule not in used and rule.wide is not None:
            why = f"no matrix takes {rule.wide:g} bits a value or more, and fewer in {rule.name}"
            raise UsageError(f"--optimize-size has no effect: {why}")
        if rule not in used:
            where = f" matching {rule.pattern!r}" if rule.pattern else ""
            raise UsageError(f"--encode {rule.name} changes nothing: no other tensor{where} to encode")


def _weighed(importance: Importance | None, weighed: Mapping[str, bool]) -> list[str]:
    """What to say of the importance matrix; `UsageError` when it has no effect."""
    if importance is None:
        return []
    if not any(weighed.values()):
        raise UsageError("--imatrix has no effect: nothing is encoded that it weighs", file=importance.path)
    without = [name for name, has in weighed.items() if not has]
    if not without:
        return []
    shown = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
    return [f"{importance.path.name} has nothing for {len(without)} tensors, encoded without: {shown}"]


def check_effect(rules: Sequence[Rule], before: Model, wanted: Model, plan: Plan) -> None:
    """`UsageError` when nothing that a rule changed is written in its encoding: the format wants another one.

    As many bytes as the encoding takes will do too: a format may carry the blocks as plain bytes.
    """
    for rule in rules:
        touched = {
            name for name, tensor in wanted.tensors.items()
            if tensor.encoding != before.tensors[name].encoding
            and (rule.recipe is not None or tensor.encoding == rule.encoding)
        }  # fmt: skip
        written = [p for p in plan.tensors if not touched.isdisjoint(p.sources)]
        if not any(_as_wanted(p, wanted) or _carried(p, wanted) for p in written):
            instead = " and ".join(sorted({p.tensor.encoding.name for p in written}))
            why = f"{plan.format} writes {instead} there" if instead else "no row is made of whole blocks"
            raise UsageError(f"{rule.flag} has no effect: {why}")


def _as_wanted(planned: PlannedTensor, wanted: Model) -> bool:
    return any(planned.tensor.encoding == wanted.tensors[name].encoding for name in planned.sources)


def _carried(planned: PlannedTensor, wanted: Model) -> bool:
    return planned.tensor.nbytes == sum(wanted.tensors[name].nbytes for name in planned.sources)


def reasons_of(sources: Sequence[str], reasons: Mapping[str, str]) -> str:
    """The first reason that one of the canonical names has."""
    return next((reasons[s] for s in sources if s in reasons), "")
