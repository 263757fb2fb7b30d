"""Whether the files of a data set are those that its manifest names, every byte read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hub.errors import BadSignature, UsageError
from hub.signing._files import Seal, digest_files, listing
from hub.signing._statement import GIT
from hub.signing.data._corpus import ENDING, Corpus

HISTORY = ".history"


def own_names(name: str) -> tuple[str, ...]:
    """What the data set `name` keeps beside its files: manifest, signature, and the versions before."""
    return (f"{name}{ENDING}", f"{name}{ENDING}.sig", f"{name}{HISTORY}")


def ignored(corpus: Corpus) -> frozenset[str]:
    """The names below the folder that are no part of the data: its own, git's, and those it leaves out."""
    return frozenset({*own_names(corpus.name), *GIT, *corpus.left_out})


def usual_corpus(path: Path) -> Path:
    """The manifest that `path` means: itself, or the only one in a folder; `UsageError` for none and for several."""
    if not path.exists():
        raise UsageError("no such file or folder", file=path)
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{ENDING}"))
    if len(found) != 1:
        said = ", ".join(p.name for p in found) or "none"
        raise UsageError(f"one manifest of a data set was expected in it, there is {said}", file=path)
    return found[0]


def problems(corpus: Corpus, root: Path, advance: Callable[[int], None] | None = None) -> tuple[list[str], Seal]:
    """How the files below `root` differ from those of `corpus`, each named, and the seal of those that were read."""
    wanted, skip = corpus.by_name(), ignored(corpus)
    whole = corpus.scope == "folder"
    present = set(listing(root, skip)) if whole else {name for name in wanted if os.path.lexists(root / name)}
    found = digest_files(root, sorted(present & wanted.keys()), advance)
    out = [f"{name} is missing" for name in sorted(wanted.keys() - present)]
    out += [f"{name} is changed" for name, file in found.items() if file.sha256 != wanted[name].sha256]
    out += [f"{name} is not in the manifest" for name in sorted(present - wanted.keys())]
    seal = Seal({root / n: f.identity for n, f in found.items()}, root if whole and not out else None, skip)
    return _renamed(out, corpus, root, present - wanted.keys()), seal


def _renamed(out: list[str], corpus: Corpus, root: Path, added: set[str]) -> list[str]:
    """The same problems; a file that is missing under its name and there under another is said once."""
    gone = {file.sha256: file.name for file in corpus.files if f"{file.name} is missing" in out}
    try:
        there = digest_files(root, sorted(added)) if gone else {}
    except BadSignature:  # it is named as added anyway
        return out
    for name, file in there.items():
        before = gone.pop(file.sha256, None)
        if before is not None:
            out = [one for one in out if one not in {f"{before} is missing", f"{name} is not in the manifest"}]
            out.append(f"{before} is now called {name}")
    return out
