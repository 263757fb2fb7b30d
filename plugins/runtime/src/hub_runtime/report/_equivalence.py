"""Whether the models say the same, as far as documents tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub_runtime.report._documents import Compared, Document, Traced, TracesCompared


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison of `model` with `reference`: what was asked, what came out, and whether that was the same."""

    reference: str
    model: str
    asked: str
    found: str
    same: bool
    file: str


@dataclass(frozen=True, slots=True)
class FirstTokenSaid:
    """What one trace says comes next."""

    model: str
    argmax: int | None
    text: str | None
    file: str


@dataclass(frozen=True, slots=True)
class Prompted:
    """Traces of several models over the same tokens. `same` is None for a single model: nothing was compared."""

    prompt: str
    tokens: int
    said: list[FirstTokenSaid]
    same: bool | None


@dataclass(frozen=True, slots=True)
class Equivalence:
    """All comparisons. `verdict`: True when something was compared and all of it was the same, None for nothing."""

    verdict: bool | None
    findings: list[Finding] = field(default_factory=list)
    first_tokens: list[Prompted] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def equivalence(documents: Sequence[Document]) -> Equivalence:
    """What the comparisons and traces among `documents` say; `broken` are files of traces that end in NaN."""
    findings = [f for d in documents for f in _findings(d)]
    prompted = _prompted(documents)
    broken = [d.file for d in documents if isinstance(d.content, Traced) and d.content.first_nan is not None]
    outcomes = [f.same for f in findings] + [p.same for p in prompted if p.same is not None]
    return Equivalence(all(outcomes) and not broken if outcomes else None, findings, prompted, broken)


def _findings(document: Document) -> Iterator[Finding]:
    content = document.content
    if isinstance(content, Compared):
        for held in content.comparisons:
            apart = "not finite" if held.mean_kl is None else f"{held.mean_kl:.3g} nats"
            found = (
                f"same greedy tokens {held.same_tokens:.1%}, same likeliest token {held.agreement:.2%} of "
                f"{held.positions} positions, mean divergence {apart}"
            )
            yield Finding(content.reference.path, held.model.path, content.rule, found, held.passed, document.file)
    if isinstance(content, TracesCompared):
        first = content.first_departure
        found = "no layer departs" if first is None else f"{first.node} is the first to depart"
        asked = f"no layer departs by more than {content.tolerance:g} of its length, same likeliest token"
        same = first is None and content.same_argmax
        yield Finding(content.ours.model.path, content.other.model.path, asked, found, same, document.file)


def _prompted(documents: Sequence[Document]) -> list[Prompted]:
    """The traces by the tokens that were read: of models that read others nothing can be compared."""
    groups: dict[tuple[int, ...], list[tuple[Document, Traced]]] = {}
    for document in documents:
        if isinstance(document.content, Traced):
            key = tuple(t.token for t in document.content.tokens)
            groups.setdefault(key, []).append((document, document.content))
    return [_together(tokens, group) for tokens, group in groups.items()]


def _together(tokens: tuple[int, ...], group: list[tuple[Document, Traced]]) -> Prompted:
    said = [_said(document.file, traced) for document, traced in group]
    models, found = {s.model for s in said}, {s.argmax for s in said}
    same = None if len(models) < 2 else len(found) == 1 and None not in found
    return Prompted(group[0][1].prompt, len(tokens), said, same)


def _said(file: str, traced: Traced) -> FirstTokenSaid:
    first = traced.first_token
    argmax, text = (first.argmax, first.text) if first else (None, None)
    return FirstTokenSaid(traced.model.path, argmax, text, file)
