"""`hub ci init`: a workflow and hooks that check, sign and publish a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import _output as out
from hub.cli._arguments import Json
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.ci import Setup, Written

ci = typer.Typer(rich_markup_mode=None, add_completion=False)
_SIGNS = ("ci", "here")


@ci.callback()
def _ci() -> None:
    """Check, sign and publish a model on every push."""


@ci.command()
def init(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model in the repository: a file, or a folder.")],
    repo: Annotated[
        str | None, typer.Option("--repo", metavar="ORG/REPO", help="Where releases go on the Hugging Face Hub.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PUB", help="The public key, in the repository (hub keygen).")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="MANIFEST|DIR", help="The training data, in the repository.")
    ] = None,
    signs: Annotated[
        str, typer.Option("--sign-in", metavar="|".join(_SIGNS), help="Who signs: the workflow, or who commits.")
    ] = "ci",
    branch: Annotated[str, typer.Option("--branch", help="The branch that is released.")] = "main",
    install: Annotated[
        str | None, typer.Option("--install", metavar="ARGS", help="What pip installs there: -r requirements.txt.")
    ] = None,
    root: Annotated[
        Path, typer.Option("--into", metavar="DIR", help="The repository; this folder by default.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a GitHub Actions workflow and pre-commit hooks for a model.

    Before a commit: check, validate, verify. On every push the same, and what would be published. On the branch: sign,
    verify, publish. Without --key nothing is signed, without --repo nothing published.
    """
    from hub.ci import Setup, write

    if signs not in _SIGNS:
        raise UsageError(f"--sign-in is one of {', '.join(_SIGNS)}, not {signs!r}")
    if key is None and (signs != "ci" or data is not None):
        raise UsageError(f"{'--data' if data is not None else '--sign-in'} has no effect without --key")
    if key is not None:
        _check_public(root / key if not key.is_absolute() else key)
    more = {} if install is None else {"install": install}
    setup = Setup(
        _inside(model, root), (root / model).is_dir(), repo, _maybe(key, root), _maybe(data, root),
        signs, branch, **more,  # type: ignore[arg-type]  # looked at above
    )  # fmt: skip
    written = write(setup, root, overwrite=force)
    if as_json:
        out.emit("ci-init", _document(setup, written))
    else:
        _print(setup, written)


def _maybe(path: Path | None, root: Path) -> str | None:
    return None if path is None else _inside(path, root)


def _inside(path: Path, root: Path) -> str:
    """The path as the repository has it; `UsageError` for what lies outside, or is all of it, or is not there."""
    where = path if path.is_absolute() else root / path
    try:
        name = where.resolve().relative_to(root.resolve()).as_posix()
    except ValueError as error:
        raise UsageError("lies outside the repository", file=path) from error
    if not where.exists():
        raise UsageError("no such file or folder in the repository", file=path)
    if name == ".":
        raise UsageError("is the whole repository; a file or folder in it was expected", file=path)
    return name


def _check_public(key: Path) -> None:
    from hub.signing import PublicKey

    PublicKey.load(key)


def _document(setup: Setup, written: Written) -> dict[str, Any]:
    from hub.ci import secrets

    return {
        "files": written.files,
        "model": setup.model,
        "repo": setup.repo,
        "key": setup.key,
        "data": setup.data,
        "sign_in": setup.signs,
        "branch": setup.branch,
        "install": setup.install,
        "steps": [{"id": s.id, "title": s.title, "run": s.run, "places": s.places} for s in written.steps],
        "secrets": secrets(written.steps),
    }


def _print(setup: Setup, written: Written) -> None:
    from hub.ci import secrets

    out.pairs(("Written", file) for file in written.files)
    out.table(("step", "where", "command"), [(s.id, ", ".join(s.places), s.run) for s in written.steps])
    needed = secrets(written.steps)
    without = [flag for flag, given in (("--key", setup.key), ("--repo", setup.repo)) if given is None]
    out.pairs(
        [
            ("Secrets", (needed and f"{', '.join(needed)}, of the environment 'release'") or None),
            ("Left out", f"what needs {' and '.join(without)}" if without else None),
            ("Next", "pre-commit install"),
        ]
    )
