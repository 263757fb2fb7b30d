"""`hub publish`: a folder of models, or one, to the Hugging Face Hub."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import cli as out
from hub.cli import Json, takes
from hub.errors import TargetExists, UsageError

if TYPE_CHECKING:
    from hub_sources.publishing import Publication, Sent, Where

CARDS = ("keep", "new", "none")


@dataclass(frozen=True)
class Words:
    """What the user states for the model card."""

    licence: Annotated[
        str | None, typer.Option("--license", metavar="ID", help="The licence: an SPDX identifier, or the Hub's name.")
    ] = None
    name: Annotated[str | None, typer.Option("--model-name", help="The title of the card.")] = None
    pipeline_tag: Annotated[
        str | None, typer.Option("--pipeline-tag", metavar="TASK", help="What it does: text-generation, for one.")
    ] = None
    library_name: Annotated[str | None, typer.Option("--library-name", help="The library that loads it.")] = None
    tags: Annotated[
        list[str] | None, typer.Option("--tags", metavar="TAG[,TAG]", help="Tags of the card (repeatable).")
    ] = None
    card: Annotated[
        str, typer.Option("--card", metavar="|".join(CARDS), help="Keep the README.md, make a new one, or none.")
    ] = "keep"
    save_card: Annotated[
        Path | None, typer.Option("--save-card", metavar="FILE", help="Write the card that was made there too.")
    ] = None


@dataclass(frozen=True)
class Target:
    """Where to, and how it shows there."""

    private: Annotated[bool, typer.Option("--private", help="A repository that is made is private.")] = False
    branch: Annotated[
        str, typer.Option("--revision", "--branch", metavar="BRANCH", help="Made when it is not there.")
    ] = "main"
    message: Annotated[str | None, typer.Option("--message", help="Of the commit.")] = None


@takes
def publish(
    path: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder with models, one file, or a name.", parser=out.model_path)
    ],
    repo: Annotated[str, typer.Argument(metavar="ORG/REPO", help="The repository; made when it is not there.")],
    words: Words,
    target: Target,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--plan", help="Show every file with its digest, and the card; send nothing.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Publish models on the Hugging Face Hub, checked and compared.

    Every model passes hub check first; pickles, links and secrets are refused. One commit shows all files, and what the
    Hub then lists is compared with what was sent. Exit code 1 when something stands against it, or differs.
    """
    from hub_sources.publishing import plan, send

    _check(words, dry_run, target)
    with out.progress_bar() as progress:
        planned = plan(_order(path, repo, words), progress)
    if words.save_card is not None:
        _save(words.save_card, planned)
    sent = None if dry_run or planned.problems else send(planned, _where(target))
    if as_json:
        out.emit("publish", _document(planned, target, sent, dry_run))
    else:
        _print(planned, target, sent)
    for problem in planned.problems:
        print(f"hub: error: {out.clean(problem)}", file=sys.stderr)
    return int(bool(planned.problems))


def _check(words: Words, dry_run: bool, target: Target) -> None:
    if words.card not in CARDS:
        raise UsageError(f"--card is one of {', '.join(CARDS)}, not {words.card!r}")
    if dry_run and target.message is not None:
        raise UsageError("--message has no effect with --dry-run: nothing is sent")
    if words.save_card is not None and (words.save_card.exists() or words.save_card.is_symlink()):
        raise TargetExists("exists already", file=words.save_card, hint="remove it first")


def _order(path: Path, repo: str, words: Words) -> Any:
    from hub_sources.publishing import Order, Stated

    tags = tuple(tag.strip() for given in words.tags or () for tag in given.split(",") if tag.strip())
    stated = Stated(words.name, words.pipeline_tag, words.library_name, tags)
    return Order(path, repo, words.licence, stated, words.card)  # type: ignore[arg-type]  # `_check` has looked


def _where(target: Target) -> Where:
    from hub_sources.publishing import Where

    return Where(target.branch, target.private, target.message)


def _save(file: Path, planned: Publication) -> None:
    if planned.made is None:
        raise UsageError("--save-card has no effect: no card is made", file=file, hint="--card new makes one")
    try:
        with file.open("xb") as new:
            new.write(planned.made)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", file=file) from error


def _document(planned: Publication, target: Target, sent: Sent | None, dry_run: bool) -> dict[str, Any]:
    """The JSON document (hub_sources/schemas/publish.json), its schema key aside."""
    return {
        "repo": planned.repo,
        "branch": target.branch,
        "private": target.private,
        "dry_run": dry_run,
        "ok": not planned.problems,
        "files": planned.files,
        "models": [
            {k: getattr(m, k) for k in ("name", "format", "outcome", "passed", "failed", "skipped")}
            for m in planned.models
        ],
        "card": {"kind": planned.card, "text": planned.text},
        "license": planned.licence and {**planned.licence.data(), "said_by": planned.licence.said},
        "unknown": planned.unknown,
        "notes": [*planned.notes, *(sent.notes if sent else ())],
        "problems": planned.problems,
        "commit": sent and sent.commit,
        "url": sent and sent.url,
        "created": sent and sent.created,
        "compared": sent.compared if sent else 0,
        "others": sent.others if sent else (),
    }


def _print(planned: Publication, target: Target, sent: Sent | None) -> None:
    from rich.filesize import decimal

    rows = [(e.name, e.role, decimal(e.nbytes), e.sha256) for e in planned.files]
    out.table(("file", "for", "size", "sha256"), rows, "<<>")
    for model in planned.models:
        counts = f"{model.passed} passed, {model.failed} failed, {model.skipped} skipped"
        out.say(f"Checked: {model.name} ({model.format}): {model.outcome}, {counts}")
    licence = planned.licence
    out.pairs(
        [
            ("Licence", f"{licence} ({licence.said})" if licence else "not known"),
            ("Card", {"own": "README.md, as it is", "new": "made", "none": "none"}[planned.card]),
            ("Not known", ", ".join(planned.unknown) or None),
        ]
    )
    out.pairs(("Note", note) for note in (*planned.notes, *(sent.notes if sent else ())))
    total = decimal(sum(entry.nbytes for entry in planned.files))
    if sent is None:
        where = f"hf://{planned.repo}, branch {target.branch}"
        out.say(f"Nothing was sent: {len(planned.files)} files, {total}, would go to {where}")
        if planned.card == "new" and not planned.problems:
            out.say()
            out.say("--- README.md")
            for line in (planned.text or "").splitlines():
                out.say(line)
        return
    if sent.others:
        out.say(f"Note: {len(sent.others)} files were there before and stay")
    out.say(f"Published: hf://{planned.repo}@{sent.commit}, {len(planned.files)} files, {total}")
    out.say(f"Compared: {sent.compared} files as the Hub lists them")
    out.say(f"Address: {sent.url}")
