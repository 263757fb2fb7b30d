"""`hub data add`, `verify` and `diff`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub import cli as out
from hub.cli import Json
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.signing.data import Corpus, DataFile
    from hub_data import Added, Checked, Difference

data = typer.Typer(rich_markup_mode=None, add_completion=False, help="Versions of training data, signed.")
_SHOWN = 20


@data.command()
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="DIR|FILE...", help="One folder, or files.")],
    name: Annotated[str, typer.Option("--name", help="What the data set is called.")] = "corpus",
    key: Annotated[Path | None, typer.Option("--key", metavar="KEY", help="The private key to sign with.")] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="PATH", help="Leave out a file or folder (repeatable).")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="F", help="File that holds the key's passphrase.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a version of a data set of what lies there now.

    NAME.manifest.json beside the data names every file with its digest, and the version before. Nothing is copied.
    """
    from hub.signing import PrivateKey
    from hub.signing.commands.asking import known_passphrase
    from hub_data import Order
    from hub_data import add as run

    if passphrase_file is not None and key is None:
        raise UsageError("--passphrase-file has no effect without --key")
    private = None if key is None else PrivateKey.load(key, known_passphrase(passphrase_file))
    with out.progress_bar() as progress:
        added = run(Order(paths, name, ignore or ()), private, progress)
    if as_json:
        out.emit("data-add", _added(added))
    else:
        out.pairs(_added_lines(added))


@data.command()
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="[MANIFEST|DIR]", help="The data set; this folder's by default.")
    ] = Path(),
    key: Annotated[
        list[Path] | None, typer.Option("--key", metavar="PUB", help="A public key to believe (repeatable).")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="TOML", help="The trust.toml to follow; HUB_TRUST, or your own.")
    ] = None,
    digests_only: Annotated[
        bool, typer.Option("--digests-only", help="Ask for no signature: the manifest itself is believed.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Verify the signature of a data set, and every file and version that it names.

    Exit code 0 when all of it holds, 1 when it does not, 2 when that could not be found out.
    """
    from hub.signing.commands.asking import chosen_trust
    from hub_data import verify as run

    if digests_only and (key or policy):
        raise UsageError("--digests-only believes nobody: --key and --policy have no effect with it")
    trust = None if digests_only else chosen_trust(key or (), policy)
    with out.progress_bar() as progress:
        checked = run(path, trust, progress)
    if as_json:
        out.emit("data-verify", _checked(checked, digests_only))
    else:
        out.pairs(_checked_lines(checked, digests_only))
    for problem in checked.problems:
        print(f"hub: error: {out.clean(problem)}", file=sys.stderr)
    return int(bool(checked.problems))


@data.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="V1", help="A version's number, or a manifest.")],
    b: Annotated[str | None, typer.Argument(metavar="[V2]", help="Likewise; the newest version by default.")] = None,
    of: Annotated[
        Path, typer.Option("--of", metavar="MANIFEST|DIR", help="The data set that numbers are of.")
    ] = Path(),
    as_json: Json = False,
) -> int:
    """Show which files two versions of a data set do not share, and how many rows they have.

    Exit code 0 when the content is the same, 1 when it differs.
    """
    from hub.signing.data import read_corpus, usual_corpus
    from hub_data import diff as run
    from hub_data import version_of

    one = version_of(a, of)[1]
    other = version_of(b, of)[1] if b is not None else read_corpus(usual_corpus(of))
    found = run(one, other)
    if as_json:
        out.emit("data-diff", {"a": _version(one), "b": _version(other), "equal": found.equal, **out.document(found)})
    else:
        _print_difference(one, other, found)
    return int(not found.equal)


def _version(corpus: Corpus) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "version": corpus.version,
        "parent": corpus.parent,
        "digest": corpus.digest,
        "files": len(corpus.files),
        "bytes": sum(file.bytes for file in corpus.files),
        "rows": _rows(corpus.files),
    }


def _rows(files: Sequence[DataFile]) -> int | None:
    """Rows of all files that have rows; None when none has."""
    counted = [file.rows for file in files if file.rows is not None]
    return sum(counted) if counted else None


def _added(added: Added) -> dict[str, Any]:
    return {
        **_version(added.corpus),
        "manifest": added.manifest,
        "made": added.made,
        "signature": added.signature,
        "key": added.key and added.key.fingerprint,
        "difference": added.difference,
    }


def _size(corpus: Corpus) -> str:
    from hub.inspection import counted

    told = _version(corpus)
    rows = "" if told["rows"] is None else f", {told['rows']:,} rows"
    return f"{counted(told['files'], 'file')}, {told['bytes']:,} bytes{rows}"


def _added_lines(added: Added) -> Iterator[tuple[str, object]]:
    corpus, change = added.corpus, added.difference
    yield "Version" if added.made else "Unchanged", f"{corpus.name} {corpus.version}, {_size(corpus)}"
    yield "Content", corpus.digest
    yield "Manifest", added.manifest
    yield "Signature", added.signature or "none; --key signs it"
    yield "Key", added.key and f"{added.key.type} {added.key.fingerprint}"
    if change is not None:
        counts = {k: len(getattr(change, k)) for k in ("added", "removed", "renamed", "changed")}
        yield "Since the last", ", ".join(f"{count} {what}" for what, count in counts.items())


def _checked(checked: Checked, digests_only: bool) -> dict[str, Any]:
    return {
        "manifest": checked.manifest,
        "verified": not checked.problems,
        "signed": checked.key is not None,
        "digests_only": digests_only,
        "corpus": checked.corpus and _version(checked.corpus),
        "key": checked.key,
        "signer": checked.signer,
        "problems": checked.problems,
    }


def _checked_lines(checked: Checked, digests_only: bool) -> Iterator[tuple[str, object]]:
    if checked.problems or checked.corpus is None:
        return
    corpus = checked.corpus
    yield "Verified" if not digests_only else "Digests hold", f"{corpus.name} {corpus.version}, {_size(corpus)}"
    yield "Content", corpus.digest
    yield "Signer", checked.signer
    yield "Key", checked.key
    yield "Versions", corpus.version
    yield "Left out", ", ".join(corpus.left_out) or None
    yield "Note", "no signature was asked for: who changed the data could change the manifest" if digests_only else None


def _print_difference(a: Corpus, b: Corpus, found: Difference) -> None:
    lines = [("added", "", f) for f in found.added] + [("removed", f, "") for f in found.removed]
    rows: list[tuple[object, ...]] = [(what, *_cells(x or None, y or None)) for what, x, y in lines]
    rows += [(what, *_cells(one.a, one.b)) for what in ("renamed", "changed") for one in getattr(found, what)]
    if rows:
        out.table(("", "file", "bytes", "", "rows", ""), rows[:_SHOWN], "  >>>>")
    if rows[_SHOWN:]:
        out.say(f"... and {len(rows) - _SHOWN} more; --json lists all")
    verdict = "the same content" if found.equal else f"{len(rows)} files differ, {found.same} are the same"
    out.say(f"{a.name} {a.version} ({_size(a)}) -> {b.name} {b.version} ({_size(b)}): {verdict}")


def _cells(a: Any, b: Any) -> tuple[object, ...]:
    """A row of the table: the file in both versions; None where it is not."""
    name = a.name if b is None or (a and a.name == b.name) else b.name if a is None else f"{a.name} -> {b.name}"
    both = [(x.bytes, x.rows) if x else (None, None) for x in (a, b)]
    return name, both[0][0], both[1][0], both[0][1], both[1][1]
