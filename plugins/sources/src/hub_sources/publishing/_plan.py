"""What a publication would be: every file with its digest, the card, the licence, and whatever stands against it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hub.errors import BadSignature, HubError, UsageError
from hub.pipeline import Progress, Silent
from hub.signing import Seal, check_names, digest_files
from hub_sources.publishing._card import Card, Stated, new_card
from hub_sources.publishing._files import Lying, lying, role
from hub_sources.publishing._licence import Licence, agreed, licence, of_card, of_text
from hub_sources.publishing._models import Checked, models
from hub_sources.publishing._signed import origin, stale

CARD = "README.md"
Cards: TypeAlias = Literal["keep", "new", "none"]
_REPO = re.compile(r"(?:hf://)?(?P<repo>[\w.-]+/[\w.-]+)")
_LICENCE_FILE = re.compile(r"(LICEN[CS]E|COPYING)(\.\w+)?", re.IGNORECASE)
_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n")


@dataclass(frozen=True)
class Order:
    """What the user asks to publish, and what they state of it. `card`: keep the README.md, make a new one, or none."""

    path: Path
    repo: str
    licence: str | None = None
    stated: Stated = field(default_factory=Stated)
    card: Cards = "keep"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it would be sent: its name there, bytes, sha256, and what it is for."""

    name: str
    nbytes: int
    sha256: str
    role: str


@dataclass(frozen=True)
class Publication:
    """A plan of a publication, nothing sent. `problems` stand against it; `unknown` is what the card cannot say."""

    repo: str
    root: Path
    files: tuple[Entry, ...]
    models: tuple[Checked, ...]
    card: Literal["own", "new", "none"]
    text: str | None
    licence: Licence | None
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    seal: Seal

    @property
    def made(self) -> bytes | None:
        """The card to send in place of a file; None when there is none, or it lies there."""
        return self.text.encode() if self.card == "new" and self.text is not None else None


def plan(order: Order, progress: Progress | None = None) -> Publication:
    """What would be published; every file is read, every model checked, and no network asked.

    `UsageError` for what does not fit together. What stands against a publication is in `problems`, all of it at once.
    """
    progress = progress or Silent()
    repo = _repo(order.repo)
    told = licence(order.licence, "--license") if order.licence else None
    there = lying(order.path)
    own = CARD in there.names
    _check_stated(order, own)
    checked = models(order.path, there)
    digests, seal, problems = _digested(there, progress)
    front, said = _front_matter(there) if own and order.card == "keep" else ({}, [])
    chosen, against = _licence(told, front, there, checked)
    card = _card(order, repo, there, checked, digests, chosen)
    found = [*there.problems, *problems, *said, *against, *_unsound(order.path, there, checked)]
    sent = _entries(digests, card)
    text = card.text if card else (there.root / CARD).read_text("utf-8", "replace") if own else None
    if card is not None and "model.sig" in there.names:
        found.append("model.sig does not sign the card that would be added; --save-card writes it, so that it can be")
    kind: Literal["own", "new", "none"] = "own" if own and order.card == "keep" else "new" if card else "none"
    found += stale(there, digests)
    return Publication(
        repo, there.root, sent, tuple(checked), kind, text, chosen,
        _unknown(card, front, chosen), _notes(there, checked, own), tuple(dict.fromkeys(found)), seal,
    )  # fmt: skip


def _repo(text: str) -> str:
    found = _REPO.fullmatch(text)
    if found is None:
        raise UsageError("is no name of a repository; ORG/REPO was expected", file=text)
    return found["repo"]


def _check_stated(order: Order, own: bool) -> None:
    """What is stated for a card that is not made has no effect."""
    if own and order.card == "none":
        raise UsageError("--card none has no effect: there is a README.md", file=order.path)
    if order.card == "new" or (order.card == "keep" and not own):
        return
    stated = order.stated
    flags = {
        "--model-name": stated.name, "--pipeline-tag": stated.pipeline_tag, "--library-name": stated.library_name,
        "--tags": stated.tags,
    }  # fmt: skip
    given = next((flag for flag, value in flags.items() if value), None)
    if given is not None:
        why = "the README.md that is there is kept" if own else "no card is made"
        raise UsageError(f"{given} has no effect: {why}", file=order.path, hint="--card new makes one")


def _digested(there: Lying, progress: Progress) -> tuple[dict[str, tuple[int, str]], Seal, list[str]]:
    """Bytes and sha256 of each file by name, the seal of them, and what is wrong with names or files."""
    problems = []
    progress.start("digest", sum((there.root / n).stat().st_size for n in there.names))
    try:
        check_names(there.names, there.root)
    except BadSignature as error:
        problems.append(error.message)
    found = digest_files(there.root, there.names, progress.advance)
    seal = Seal({there.root / n: f.identity for n, f in found.items()})
    return {n: (f.identity.size, f.sha256) for n, f in found.items()}, seal, problems


def _front_matter(there: Lying) -> tuple[Mapping[str, Any], list[str]]:
    """What the README.md that is there says at its top, and what is wrong with it."""
    from huggingface_hub import ModelCard

    text = (there.root / CARD).read_text("utf-8", "replace")
    if not _FRONT.match(text):
        return {}, []
    try:
        data: Mapping[str, Any] = vars(ModelCard(text).data)
    except Exception as error:  # whatever YAML, or the card's own checks, say of it
        return {}, [f"{CARD}: its front matter cannot be read: {' '.join(str(error).split())}"]
    return data, []


def _licence(
    told: Licence | None, front: Mapping[str, Any], there: Lying, checked: Sequence[Checked]
) -> tuple[Licence | None, list[str]]:
    """The licence that all who say anything agree on, and what stands against it."""
    said = [told] if told else []
    against = []
    try:
        said += [found] if (found := of_card(front, CARD)) else []
    except UsageError as error:
        against.append(str(error))
    said += [*_of_files(there), *_of_models(checked)]
    chosen, differ = agreed(said)
    return chosen, [*against, *([f"the licence is not one: {differ}"] if differ else [])]


def _of_files(there: Lying) -> Iterator[Licence]:
    for name in there.names:
        if _LICENCE_FILE.fullmatch(name):
            try:
                found = of_text(there.root / name, name)
            except UsageError:  # an identifier that no list has
                continue
            if found:
                yield found


def _of_models(checked: Sequence[Checked]) -> Iterator[Licence]:
    for model in checked:
        text = model.summary.license if model.summary else None
        if text:
            try:
                yield licence(text, model.name if model.name != "." else model.format)
            except UsageError:  # free text; the notes show it
                continue


def _card(
    order: Order, repo: str, there: Lying, checked: Sequence[Checked], digests: Mapping[str, tuple[int, str]],
    chosen: Licence | None,
) -> Card | None:  # fmt: skip
    if order.card == "none" or (order.card == "keep" and CARD in there.names):
        return None
    files = [(n, *digests[n]) for n in digests if n != CARD]
    return new_card(repo, checked, files, order.stated, chosen, origin(there))


def _entries(digests: Mapping[str, tuple[int, str]], card: Card | None) -> tuple[Entry, ...]:
    found = {n: Entry(n, size, sha256, role(n)) for n, (size, sha256) in digests.items()}
    if card is not None:
        data = card.text.encode()
        found[CARD] = Entry(CARD, len(data), hashlib.sha256(data).hexdigest(), "card")
    return tuple(found[name] for name in sorted(found))


def _unsound(path: Path, there: Lying, checked: Sequence[Checked]) -> Iterator[str]:
    """What stands against the models: each must pass, and there must be one."""
    if not checked and not there.problems:
        yield f"{path} holds no model that an installed plugin reads"
    for model in checked:
        if model.problem:
            yield f"{model.name if model.name != '.' else 'the model'} fails hub check: {model.problem}"


def _unknown(card: Card | None, front: Mapping[str, Any], chosen: Licence | None) -> tuple[str, ...]:
    if card is not None:
        return card.unknown
    return () if chosen or front.get("license") else ("licence",)


def _notes(there: Lying, checked: Sequence[Checked], own: bool) -> tuple[str, ...]:
    notes = [f"{name} stays here" for name in there.left_out]
    for model in checked:
        text = model.summary.license if model.summary else None
        try:
            if text:
                licence(text, model.name)
        except HubError as error:
            notes.append(error.message)
    if own and not _FRONT.match((there.root / CARD).read_text("utf-8", "replace")):
        notes.append(f"{CARD} has no front matter: the Hub will show neither licence nor task")
    return tuple(notes)
