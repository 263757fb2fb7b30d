"""Whether a model is the one that a signed manifest describes, in whatever format it now is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hub import codecs
from hub.errors import BadSignature, DamagedFile, HubError, MissingFact
from hub.inspection import canonical, counted
from hub.ir import ENCODINGS, F32, Encoding, Tensor, widens
from hub.opening import loading, open_model
from hub.pipeline import Budget, Copier, Progress, Silent, default_budget, each
from hub.pipeline.compare import compare_mappings, compare_tensors
from hub.signing.manifest._build import digest, digest_tensors, tokenizer_part
from hub.signing.manifest._document import Entry, Manifest, parse
from hub.verdicts import FactDifference, compare_config_facts, tokenizer_facts

Kind = Literal["differs", "encoding", "shape", "added", "removed", "renamed", "config", "tokenizer", "ties"]


@dataclass(frozen=True, slots=True)
class Departure:
    """One way in which a model is not the one that was signed; `name` is a tensor's or a key's."""

    kind: Kind
    name: str
    detail: str

    def __str__(self) -> str:
        what = "tensor" if self.kind in {"differs", "encoding", "shape", "added", "removed", "renamed"} else self.kind
        return f"{what} {self.name!r}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Against:
    """A model held against a signed manifest. `remarks`: facts that only one of the two states, and that mean nothing.

    `same_bytes` tensors have the signed bytes, `equal_values` the same values in another encoding.
    """

    path: Path
    format: str
    tensors: int
    same_bytes: int
    equal_values: int
    departures: tuple[Departure, ...]
    remarks: tuple[str, ...]

    @property
    def same(self) -> bool:
        """True when the weights, configuration and tokenizer are the signed ones; a comparison of nothing is not."""
        return not self.departures and self.tensors > 0

    def __str__(self) -> str:
        if self.same:
            recoded = f", {self.equal_values} of them in another encoding" if self.equal_values else ""
            return (
                f"the same weights: {counted(self.tensors, 'tensor')}{recoded}, configuration and tokenizer as signed"
            )
        if not self.departures:
            return "nothing was compared: the signed manifest lists no tensor"
        return f"not the signed model: {counted(len(self.departures), 'difference')}"


def compare(
    signed: Mapping[str, Any], path: Path, *, budget: Budget | None = None, progress: Progress | None = None
) -> Against:
    """Hold the model at `path` against `signed`, a manifest out of a signature that was verified.

    A tensor agrees when its canonical bytes have the signed digest, or when it is in another encoding and its values
    are exactly those that were signed: by encoding them back where that loses nothing, by `values_sha256` where the
    signed tensor was quantized. Raises `DamagedFile` when `signed` is no manifest, `BadSignature` when the model
    cannot be read.
    """
    wanted, budget = parse(signed), budget or default_budget()
    try:
        return _compared(wanted, path, budget, progress)
    except (DamagedFile, MissingFact) as error:
        raise BadSignature(f"not the signed model, for it cannot be read: {error.message}", file=path) from error


def _compared(wanted: Manifest, path: Path, budget: Budget, progress: Progress | None) -> Against:
    with loading(path, "sign"):
        found, model = open_model(path, use="sign")
        tensors, ties = canonical(model)
        entries = {**wanted.entries, **{a: wanted.entries[of] for a, of in wanted.ties.items() if a in tensors}}
        tensors |= {alias: tensors[of] for alias, of in ties.items() if alias in entries and of in tensors}
        digests = {n: d["sha256"] for n, d in digest_tensors(tensors, budget=budget, progress=progress).items()}
        judged = _judged(entries, tensors, digests, budget)
        facts = [*compare_config_facts(wanted.config, model.config), *_tokenizer(wanted, model.tokenizer.get())]
    departures = [*_moved(entries, tensors, digests), *(d for d in judged.values() if d is not None)]
    departures += [*_of_ties(wanted, entries, ties), *map(_of_fact, (f for f in facts if f.counts))]
    agreed = [name for name, departure in judged.items() if departure is None]
    same = sum(entries[name].sha256 == digests[name] for name in agreed)
    remarks = tuple(f"{f.section}.{f.key}: was {_said(f.a)}, is {_said(f.b)}" for f in facts if not f.counts)
    return Against(path, found.name, len(judged), same, len(agreed) - same, tuple(departures), remarks)


def _judged(
    entries: Mapping[str, Entry], tensors: Mapping[str, Tensor], digests: Mapping[str, str], budget: Budget
) -> dict[str, Departure | None]:
    """By name, for tensors that both sides have: how each departs, None where it does not."""
    both, lock = sorted(entries.keys() & tensors.keys()), threading.Lock()
    out: dict[str, Departure | None] = dict.fromkeys(both)

    def one(name: str) -> None:
        departure = _departure(entries[name], tensors[name].named(name), digests[name], budget)
        with lock:
            out[name] = departure

    each(both, one, budget.jobs)
    return out


def _departure(signed: Entry, tensor: Tensor, found: str, budget: Budget) -> Departure | None:
    if signed.shape != tensor.shape:
        return Departure("shape", tensor.name, f"was {list(signed.shape)}, is {list(tensor.shape)}")
    if signed.encoding == tensor.encoding.name:
        return None if signed.sha256 == found else Departure("differs", tensor.name, "its bytes are others")
    problem = _not_equal(signed, tensor, budget)
    said = f"was {signed.encoding}, is {tensor.encoding}: {problem}"
    return Departure("encoding", tensor.name, said) if problem else None


def _not_equal(signed: Entry, tensor: Tensor, budget: Budget) -> str:
    """Why the values of `tensor`, in another encoding, are not known to be the signed ones; empty when they are."""
    encoding = ENCODINGS.get(signed.encoding)
    if encoding is None:
        return "that encoding is not known"
    quantized = encoding.quantized
    if quantized and signed.values_sha256 is None:
        return "quantized values cannot be compared, the signature holds no digest of them (hub sign --values)"
    wanted, sha256 = (F32, signed.values_sha256) if quantized else (encoding, signed.sha256)
    try:
        back = codecs.recode(tensor, wanted)
        equal = digest(back, Copier(budget, Silent())) == sha256 and _exact(tensor, back, wanted)
    except HubError as error:
        return error.message
    return "" if equal else "its values are others"


def _exact(tensor: Tensor, back: Tensor, wanted: Encoding) -> bool:
    return widens(tensor.encoding, wanted) or compare_tensors(tensor, back).equal


def _moved(
    entries: Mapping[str, Entry], tensors: Mapping[str, Tensor], digests: Mapping[str, str]
) -> Iterator[Departure]:
    """Tensors that only one side has; one of the same bytes under another name was renamed."""
    added = {name: (t.encoding.name, t.shape, digests[name]) for name, t in tensors.items() if name not in entries}
    for name in sorted(entries.keys() - tensors.keys()):
        e = entries[name]
        renamed = next((n for n, key in added.items() if key == (e.encoding, e.shape, e.sha256)), None)
        if renamed is None:
            yield Departure("removed", name, "is gone")
        else:
            del added[renamed]
            yield Departure("renamed", name, f"is called {renamed!r}")
    for name in sorted(added):
        yield Departure("added", name, "is new")


def _of_ties(wanted: Manifest, entries: Mapping[str, Entry], ties: Mapping[str, str]) -> Iterator[Departure]:
    """Ties of one side that are neither a tie nor a tensor of the other."""
    for alias in sorted(wanted.ties.keys() ^ ties.keys()):
        if alias not in entries:
            tied = "was" if alias in wanted.ties else "is"
            of = wanted.ties.get(alias) or ties[alias]
            yield Departure("ties", alias, f"{tied} tied to {of!r}, on one side only")
    for alias in sorted(wanted.ties.keys() & ties.keys()):
        if wanted.ties[alias] != ties[alias]:
            yield Departure("ties", alias, f"was tied to {wanted.ties[alias]!r}, is to {ties[alias]!r}")


def _tokenizer(wanted: Manifest, tokenizer: Any) -> Iterator[FactDifference]:
    found = tokenizer_part(tokenizer)
    if wanted.tokenizer is None or found is None:
        a, b = ({} if part is None else {"tokenizer": part.get("kind")} for part in (wanted.tokenizer, found))
        return tokenizer_facts(compare_mappings(a, b))
    a, b = ({k: _digest_of(v) for k, v in part.items() if k != "sha256"} for part in (wanted.tokenizer, found))
    return tokenizer_facts(compare_mappings(a, b, "tokenizer."))


def _digest_of(part: Any) -> Any:
    """A large part by its digest, so that a difference bears the part's own name."""
    return f"sha256 {part['sha256']}" if isinstance(part, Mapping) and set(part) == {"count", "sha256"} else part


def _of_fact(fact: FactDifference) -> Departure:
    kind: Kind = "config" if fact.section == "config" else "tokenizer"
    return Departure(kind, fact.key, f"was {_said(fact.a)}, is {_said(fact.b)}")


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value) if str(value).startswith("sha256 ") else repr(value)
