"""The files of a model: their names, their digests, and what they were when they were read.

Nothing here follows a symbolic link, below the root or in place of a file: what is hashed is what lies there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hub.errors import BadSignature

_LINK = "is a symbolic link; a signed model has none"
_PIECE = 1 << 20
_MOST = 1_000_000  # files; a folder with more is no model
_DEPTH = 64

# What opening a file must not do: follow a link, or wait for somebody to write into a pipe.
_SAFELY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = _SAFELY | getattr(os, "O_DIRECTORY", 0)
_BELOW = os.open in os.supports_dir_fd  # not on Windows, where links need a privilege


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file it was, and in which state: the change time cannot be set back by whoever writes into it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """The identity in what stat says."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Digested:
    """A file that was read whole: the SHA-256 of its bytes in hex, and which file it was."""

    sha256: str
    identity: Identity


def listing(root: Path, ignored: Collection[str] = ()) -> list[str]:
    """The regular files below the folder `root`, as sorted relative names with `/`, without those `ignored`.

    An ignored name stands for the file or folder of exactly that name and all that is in it. `BadSignature` for a
    symbolic link, a pipe or another special file, and for a name that is no UTF-8.
    """
    names = []
    for name in _walk(root, "", frozenset(ignored), 0):
        names.append(name)
        if len(names) > _MOST:
            raise BadSignature(f"has more than {_MOST:,} files", file=root)
    return sorted(names)


def _walk(root: Path, folder: str, ignored: frozenset[str], depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise BadSignature(f"has folders more than {_DEPTH} deep", file=root)
    with os.scandir(root / folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if name in ignored:
                continue
            _refuse_odd(root, name, entry)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, name, ignored, depth + 1)
            else:
                yield name


def _refuse_odd(root: Path, name: str, entry: os.DirEntry[str]) -> None:
    if entry.is_symlink():
        raise BadSignature(_LINK, file=root / name)
    if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
        raise BadSignature("is neither a file nor a folder", file=root / name)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadSignature("has a name that is no UTF-8", file=ascii(str(root / name))) from error


def check_names(names: Iterable[str], file: Path | None = None) -> None:
    """`BadSignature` when a name could mean a file outside, or two could mean one file on some system.

    Names are relative, with `/`, in their shortest form (OpenSSF Model Signing 1.0, 6.1.2); no two are equal once
    case and Unicode form are put aside.
    """
    seen: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if (
            name in {"", "."}
            or path.is_absolute()
            or ".." in path.parts
            or str(path) != name
            or set("\\\0") & set(name)
        ):
            raise BadSignature(f"{name[:100]!r} is no name of a file below a folder", file=file)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
        if folded in seen:
            raise BadSignature(
                f"{seen[folded]!r} and {name!r} differ in case or Unicode form only, or are one", file=file
            )
        seen[folded] = name


def digest_files(
    root: Path, names: Collection[str], advance: Callable[[int], None] | None = None
) -> dict[str, Digested]:
    """By name, the digest and identity of each file below `root`, read by many workers; each is opened once.

    `advance` is told the bytes of each piece, from any thread. `BadSignature` for a file that is missing, a link, no
    regular file, or changed while it was read.
    """
    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 1), "digest") as pool:
        done = pool.map(lambda name: _digest(root, name, advance or (lambda _: None)), names)
        return dict(zip(names, done, strict=True))


def _digest(root: Path, name: str, advance: Callable[[int], None]) -> Digested:
    where = root / name
    try:
        with os.fdopen(_open(root, PurePosixPath(name).parts), "rb", buffering=0) as source:
            before = os.fstat(source.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise BadSignature("is no regular file", file=where)
            found, buffer = hashlib.sha256(), memoryview(bytearray(_PIECE))
            while count := source.readinto(buffer):
                found.update(buffer[:count])
                advance(count)
            after = os.fstat(source.fileno())
    except FileNotFoundError as error:
        raise BadSignature("is missing", file=where) from error
    except OSError as error:
        for step in (*reversed(where.parents), where):
            if step.is_relative_to(root) and step != root and step.is_symlink():
                raise BadSignature(_LINK, file=step) from error
        raise BadSignature(f"cannot be read: {error.strerror}", file=where) from error
    if Identity.of(before) != Identity.of(after):
        raise BadSignature("changed while it was read", file=where)
    return Digested(found.hexdigest(), Identity.of(after))


def _open(root: Path, parts: tuple[str, ...]) -> int:
    """A descriptor of the file `parts` names below `root`, no step of the way being a link."""
    if not _BELOW:
        return os.open(root.joinpath(*parts), _SAFELY)
    if not parts:  # the root is the file
        return os.open(root, _SAFELY)
    at = os.open(root, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))  # the user named the root; a link to it is theirs
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(parts[-1], _SAFELY, dir_fd=at)
    finally:
        os.close(at)


def folders_of(root: Path, names: Iterable[str]) -> dict[Path, Identity]:
    """The folders on the way to the files `names` below `root`, it and what it is a link to included."""
    steps = {root / step for name in names for step in PurePosixPath(name).parents}
    return {folder: Identity.of(folder.lstat()) for folder in sorted({root, root.resolve(), *steps})}


def _check_same(path: Path, identity: Identity, kind: str) -> None:
    try:
        now = Identity.of(path.lstat())
    except OSError as error:
        raise BadSignature("has gone since it was verified", file=path) from error
    if now != identity:
        raise BadSignature(f"is no longer the {kind} that was verified", file=path)


@dataclass(frozen=True)
class Seal:
    """The files that were verified, as they were then; what `hub_before_load` returns.

    `files` has them by path. `folder` and `ignored` are given when nothing else may lie in the folder; `folders` are
    then all of them (`folders_of`), for one that is swapped for another and put back holds the same files as before.
    """

    files: dict[Path, Identity]
    folder: Path | None = None
    ignored: frozenset[str] = frozenset()
    folders: dict[Path, Identity] = field(default_factory=dict)

    def check(self) -> None:
        """`BadSignature` naming the first file that is no longer the one that was verified."""
        for path, identity in self.files.items():
            _check_same(path, identity, "file")
        if self.folder is not None:
            known = {path.relative_to(self.folder).as_posix() for path in self.files}
            for name in listing(self.folder, self.ignored):
                if name not in known:
                    raise BadSignature("was not there when the model was verified", file=self.folder / name)
        for path, identity in self.folders.items():
            _check_same(path, identity, "folder")
