"""Where provenance lies, and which files of a model it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DamagedFile
from hub.signing._files import Seal, check_names, digest_files, listing
from hub.signing._json import LARGEST, read_bounded
from hub.signing._locations import INSIDE, files_read
from hub.signing._statement import GIT

INSIDE_FOLDER = "hub.provenance.jsonl"
ENDING = ".provenance.jsonl"
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a model: the SHA-256 of each by name, whether they are all of a `folder`, and their identity."""

    digests: Mapping[str, str]
    folder: bool
    seal: Seal


def usual_provenance(model: Path) -> Path:
    """Where the provenance of `model` lies: hub.provenance.jsonl in a folder, FILE.provenance.jsonl beside a file."""
    return model / INSIDE_FOLDER if model.is_dir() else model.with_name(f"{model.name}{ENDING}")


def files_of(model: Path, left_out: tuple[str, ...] = ()) -> Files:
    """The files at `model`, every byte read: all of a folder but signature, provenance and git's own, or those read.

    `left_out` names others that do not count. `BadSignature` for links and for names that mean two things.
    """
    if model.is_dir():
        ignored = frozenset({INSIDE, INSIDE_FOLDER, *GIT, *left_out})
        names, root = listing(model, ignored), model
    else:
        real = model.resolve()
        root, ignored = real.parent, frozenset()
        read = {path.resolve() for path in files_read(real)}
        names = sorted(path.relative_to(root).as_posix() for path in read if path.is_relative_to(root))
    check_names(names, model)
    found = digest_files(root, names)
    seal = Seal({root / n: f.identity for n, f in found.items()}, root if model.is_dir() else None, ignored)
    return Files({name: file.sha256 for name, file in found.items()}, model.is_dir(), seal)


def lines_of(file: Path) -> Iterator[bytes]:
    """The bundles in a provenance file, oldest first; `DamagedFile` when there are none or too many."""
    lines = [line for line in read_bounded(file, LARGEST).split(b"\n") if line.strip()]
    if not 0 < len(lines) <= _MOST_LINES:
        raise DamagedFile(f"{len(lines)} statements; 1 to {_MOST_LINES} were expected", file=file)
    yield from lines
