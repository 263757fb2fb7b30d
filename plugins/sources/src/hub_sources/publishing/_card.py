"""The model card: from what the files say and the user states. What nobody says is not in it, and listed as unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub import __version__
from hub.inspection import short_bytes, short_count
from hub_sources.publishing._licence import Licence
from hub_sources.publishing._models import Checked, first_of

_REPO = re.compile(r"(?:https://huggingface\.co/)?(?P<id>[\w.-]+/[\w.-]+)/?")
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")


@dataclass(frozen=True, slots=True)
class Stated:
    """What the user states for the card, which no file says."""

    name: str | None = None
    pipeline_tag: str | None = None
    library_name: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """What signatures and provenance beside the models say of themselves."""

    signatures: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A model card: its `text`, and what would stand in it if anybody said so."""

    text: str
    unknown: tuple[str, ...]


def new_card(
    repo: str, models: Sequence[Checked], files: Sequence[tuple[str, int, str]], stated: Stated,
    licence: Licence | None, origin: Origin,
) -> Card:  # fmt: skip
    """The card of `repo`; `files` are (name, bytes, sha256)."""
    from huggingface_hub import ModelCard

    data = _data(models, stated, licence)
    unknown = tuple(what for what, key in _WANTED if key not in data)
    name = stated.name or _name(models) or repo.partition("/")[2]
    body = "\n".join(_body(name, repo, models, files, origin, unknown))
    front = _front(data)
    if not front:
        return Card(body, unknown)
    text = f"---\n{front}\n---\n\n{body}"
    ModelCard(text)  # it reads what was written
    return Card(text, unknown)


# What a reader would look for, and the key of the front matter that says it.
_WANTED = (
    ("licence", "license"),
    ("base model", "base_model"),
    ("language", "language"),
    ("task", "pipeline_tag"),
    ("library", "library_name"),
    ("training data", "datasets"),
)


def _data(models: Sequence[Checked], stated: Stated, licence: Licence | None) -> dict[str, Any]:
    formats = sorted({m.format for m in models if m.format != "?"})
    known: dict[str, Any] = {
        **(licence.data() if licence else {}),
        "base_model": _repos(first_of(models, "base_model") or first_of(models, "base_model_sources")),
        "language": [one for one in _listed(first_of(models, "language")) if _LANGUAGE.fullmatch(str(one))],
        "pipeline_tag": stated.pipeline_tag or first_of(models, "pipeline_tag"),
        "library_name": stated.library_name or first_of(models, "library_name") or _library(models),
        "tags": [*dict.fromkeys((*map(str, _listed(first_of(models, "tags"))), *stated.tags, *formats))],
        "datasets": _repos(first_of(models, "datasets")),
    }
    return {key: value for key, value in known.items() if value}


def _front(data: Mapping[str, Any]) -> str:
    from huggingface_hub import ModelCardData

    return ModelCardData(**data).to_yaml() if data else ""


def _library(models: Iterable[Checked]) -> str | None:
    """The library that wrote the configuration, where that says so."""
    return "transformers" if any(m.summary and "transformers_version" in m.summary.config for m in models) else None


def _name(models: Sequence[Checked]) -> str | None:
    name = first_of(models, "name")
    return str(name) if name else None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [v.strip() for v in value.split(",")] if isinstance(value, str) else [*value]


def _repos(value: Any) -> list[str]:
    """Those of the values that are the names of repositories: ORG/NAME, or its address."""
    addresses = [
        one.get("repo_url") or one.get("id") if isinstance(one, Mapping) else one
        for one in (_listed(value) if not isinstance(value, Mapping) else [value])
    ]
    return [found["id"] for one in addresses if (found := _REPO.fullmatch(str(one)))]


def _body(
    name: str, repo: str, models: Sequence[Checked], files: Sequence[tuple[str, int, str]], origin: Origin,
    unknown: Sequence[str],
) -> Iterator[str]:  # fmt: skip
    yield f"# {_plain(name)}\n"
    if description := first_of(models, "description"):
        yield f"{_plain(description)}\n"
    yield "## Models\n"
    yield from _table(
        ("file", "format", "architecture", "parameters", "encodings", "tokenizer", "context"), map(_row, models)
    )
    yield "\n## Files\n"
    yield from _table(
        ("file", "size", "sha256"), ((f"`{n}`", short_bytes(size), f"`{digest}`") for n, size, digest in files)
    )
    if origin.signatures or origin.steps:
        yield "\n## Where it comes from\n"
        yield from (f"- {_plain(said)}" for said in (*origin.signatures, *origin.steps))
        yield "\n`hub verify` holds the files to these statements, with the public keys of those you believe."
    yield f"\n## How to get it\n\n```console\nhub import hf://{repo}\n```"
    if unknown:
        yield f"\n## Not known\n\nNo file says, and nobody stated: {', '.join(unknown)}."
    yield f"\nThis card was made by hub-core {__version__} from the files themselves.\n"


def _row(model: Checked) -> tuple[str, ...]:
    s = model.summary
    if s is None:
        return (f"`{model.name}`", model.format, *("",) * 5)
    encodings = ", ".join(f"{share.encoding} ({share.tensors})" for share in s.encodings)
    tokenizer = f"{s.tokenizer.kind}, {s.tokenizer.tokens:,} tokens" if s.tokenizer else "none"
    parameters = short_count(s.parameters) if s.parameters is not None else ""
    context = f"{s.context_length:,}" if s.context_length else ""
    place = "the folder" if model.name == "." else f"`{model.name}`"
    return (place, model.format, s.architecture or "", parameters, encodings, tokenizer, context)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


def _plain(text: Any) -> str:
    """`text` on one line: what a file says must not become the page's own markup."""
    return re.sub(r"([<>\[\]`])", r"\\\1", " ".join(str(text).split()))
