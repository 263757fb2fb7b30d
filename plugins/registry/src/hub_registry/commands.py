"""`hub registry`: models under names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from hub.cli import Json, emit, model_path, pairs, progress_bar, say, table
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub_registry import Move, Placed, Store

registry = typer.Typer(rich_markup_mode=None, add_completion=False)

_Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="ORG/MODEL[:TAG]; latest without TAG.")]
_By: TypeAlias = Annotated[
    str | None, typer.Option("--by", metavar="WHO", help="Whom the history names; user@host by default.")
]
_Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Move a tag that is no stage.")]
_Insecure: TypeAlias = Annotated[
    bool, typer.Option("--insecure", help="Speak plain http to another machine: anybody on the way may listen.")
]
_Address: TypeAlias = Annotated[str, typer.Argument(metavar="ADDRESS", help="oci://HOST/REPO:TAG")]


@registry.callback()
def _registry() -> None:
    """Keep models under names: ORG/MODEL:TAG, usable wherever a path is."""


@registry.command()
def add(
    name: _Name,
    paths: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="One model, in one format or several.", parser=model_path)
    ],
    force: _Force = False,
    by: _By = None,
    as_json: Json = False,
) -> None:
    """Put a model from this disk into the registry.

    All its files, copied and hashed: weights, tokenizer, card, signature. Several MODELs are formats of one model.
    """
    from hub_registry import add as run
    from hub_registry._names import parse

    wanted = parse(name, writes=True)
    with progress_bar() as progress:
        placed = run(_made(), wanted, paths, progress, by=by, force=force)
    _tell_placed(placed, as_json)


@registry.command()
def ls(
    prefix: Annotated[str, typer.Argument(metavar="[PREFIX]", help="Only names that begin so.")] = "",
    as_json: Json = False,
) -> None:
    """List the names there are."""
    from rich.filesize import decimal

    from hub_registry import Store, listed, usual_root

    store = Store.find()
    names = listed(store, prefix) if store else []
    if as_json:
        emit("registry-ls", {"store": usual_root(), "names": names})
    elif names:
        rows = [(n.name, n.digest[:19], decimal(n.nbytes), n.at, n.by) for n in names]
        table(("name", "digest", "size", "since", "by"), rows, "  >")
    else:
        say(f"no model{f' whose name begins with {prefix}' if prefix else ''} in {usual_root()}")


@registry.command()
def show(name: _Name, as_json: Json = False) -> None:
    """Show a model: its files, where its stages are, and who moved them from where to where."""
    from hub_registry._show import shown

    told = shown(_found(), name)
    if as_json:
        emit("registry-show", told)
        return
    pairs(told.lines())
    table(("file", "bytes", "digest", "type"), told.rows(), " >")
    if told.history:
        say()
        table(("when", "who", "what", "name", "from", "to", ""), told.steps())


@registry.command()
def tag(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is there: ORG/MODEL:TAG, or ORG/MODEL@sha256:...")],
    to: Annotated[str, typer.Argument(metavar="TAG", help="staging, production, or any other tag.")],
    force: _Force = False,
    by: _By = None,
    as_json: Json = False,
) -> None:
    """Put a tag on what NAME is: `hub registry tag org/model:v2 production`.

    The stages staging and production move freely, other tags with --force.
    """
    from hub_registry import tag as run
    from hub_registry._names import parse

    known = parse(name)
    _tell_move(run(_found(), known, known.tagged(to), by=by, force=force), as_json)


@registry.command()
def rollback(name: _Name, by: _By = None, as_json: Json = False) -> None:
    """Put a stage, or any other tag, back to where it was before its last move."""
    from hub_registry import rollback as run
    from hub_registry._names import parse

    _tell_move(run(_found(), parse(name, writes=True), by=by), as_json)


@registry.command()
def rm(name: _Name, by: _By = None, as_json: Json = False) -> None:
    """Take a name away. Its bytes stay until gc; until then rollback brings it back."""
    from hub_registry import remove
    from hub_registry._names import parse

    _tell_move(remove(_found(), parse(name, writes=True), by=by), as_json)


@registry.command()
def gc(
    grace: Annotated[
        int, typer.Option("--grace", min=0, metavar="SECONDS", help="Leave what came within so many seconds.")
    ] = 3600,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Places a stage can go back to; all by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what no name leads to. Nothing goes that is in use, on its way in, or a stage can be rolled back to."""
    from rich.filesize import decimal

    from hub_registry import sweep

    swept = sweep(_found(), grace=grace, keep=keep, dry_run=dry_run)
    if as_json:
        emit("registry-gc", swept)
        return
    said = "would go" if dry_run else "went"
    say(f"{len(swept.blobs)} blobs {said}, {decimal(swept.nbytes)}; {len(swept.manifests)} models, {swept.views} views")
    if swept.young:
        say(f"{decimal(swept.young)} stay that came within {grace} s (--grace)")


@registry.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model; everything by default.")] = None,
    as_json: Json = False,
) -> int:
    """Hash every blob again. Exit code 1 when one is missing or altered, or the history was."""
    from rich.filesize import decimal

    from hub_registry import check
    from hub_registry._names import parse

    wanted = None if name is None else parse(name)
    with progress_bar() as progress:
        checked = check(_found(), wanted, progress)
    if as_json:
        emit("registry-verify", {"verified": not checked.problems, **_fields(checked)})
        return int(bool(checked.problems))
    for problem in checked.problems:
        names = f" ({', '.join(problem.names)})" if problem.names else ""
        say(f"{problem.wrong}: {problem.what}: {problem.detail}{names}")
    verdict = f"NO, {len(checked.problems)} problems" if checked.problems else "yes"
    say(f"Verified: {verdict}; {checked.blobs} blobs, {decimal(checked.nbytes)}, {len(checked.names)} names")
    return int(bool(checked.problems))


@registry.command()
def push(
    name: _Name, address: _Address, insecure: _Insecure = False, force: _Force = False, as_json: Json = False
) -> None:
    """Upload a model to an OCI registry; it is visible there when all of it is."""
    from rich.filesize import decimal

    from hub_registry import push as run
    from hub_registry._names import address as parsed
    from hub_registry._names import parse

    wanted, to = parse(name), parsed(address, writes=True)
    with progress_bar() as progress:
        pushed = run(_found(), wanted, to, progress, insecure=insecure, force=force)
    if as_json:
        told = {"sent": pushed.sent, "nbytes": pushed.nbytes, "there": pushed.there}
        emit("registry-push", {"name": str(wanted), "address": str(to), "digest": pushed.manifest.digest, **told})
    else:
        say(f"Pushed: {wanted} -> {to} ({pushed.manifest.digest})")
        say(f"Sent: {pushed.sent} blobs, {decimal(pushed.nbytes)}; {pushed.there} were there")


@registry.command()
def pull(
    address: _Address,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="What to call it here; REPO:TAG by default.")
    ] = None,
    insecure: _Insecure = False,
    force: _Force = False,
    by: _By = None,
    as_json: Json = False,
) -> None:
    """Bring a model from an OCI registry, every byte compared with the digests of its manifest."""
    from hub_registry import pull as run
    from hub_registry._names import address as parsed
    from hub_registry._names import parse

    at = parsed(address)
    if name is None and (at.digest or "/" not in at.repository):
        raise UsageError("what shall it be called? ORG/MODEL:TAG behind the address says it", file=address)
    wanted = parse(name or f"{at.repository}:{at.tag}", writes=True)
    with progress_bar() as progress:
        placed = run(_made(), at, wanted, progress, insecure=insecure, force=force, by=by)
    _tell_placed(placed, as_json)


def _made() -> Store:
    from hub_registry import Store

    return Store.make()


def _found() -> Store:
    """The store, which must be there."""
    from hub_registry import Store, usual_root

    store = Store.find()
    if store is None:
        raise UsageError("there is no registry yet", file=usual_root(), hint="hub registry add makes one")
    return store


def _fields(value: Any) -> dict[str, Any]:
    from dataclasses import fields

    return {f.name: getattr(value, f.name) for f in fields(value)}


def _tell_placed(placed: Placed, as_json: bool) -> None:
    from rich.filesize import decimal

    manifest = placed.manifest
    if as_json:
        layers = [{"path": b.path, "type": b.media_type, "digest": b.digest, "nbytes": b.size} for b in manifest.layers]
        told = {"digest": manifest.digest, "nbytes": manifest.nbytes, "shared": placed.shared, "move": placed.move}
        emit("registry-placed", {"name": placed.name.key, **told, "files": layers})
        return
    said = "" if placed.move else ", as before"
    say(f"{placed.name.key}: {manifest.digest}{said}")
    say(f"Files: {len(manifest.layers)}, {decimal(manifest.nbytes)}; {decimal(placed.shared)} were here already")


def _tell_move(move: Move, as_json: bool) -> None:
    if as_json:
        emit("registry-move", move)
    else:
        say(f"{move.name}: {move.came or 'nothing'} -> {move.went or 'nothing'} ({move.by}, {move.at})")
