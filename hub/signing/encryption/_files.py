"""Files and folders, encrypted into one file and back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from hub.errors import DamagedFile, HubError, NotAuthentic, TargetExists, UnsupportedFile, UsageError
from hub.pipeline import Copier, Silent, Target, default_budget
from hub.signing._json import parse
from hub.signing.encryption._header import SALT, Content, Header, read_header
from hub.signing.encryption._pieces import PIECE, seal, unseal
from hub.signing.encryption._recipients import KEY, ToKey, ToPassphrase

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

# The list of files that opens an encrypted folder.
_MOST_INDEX = 16 << 20
_WORD = 4


@dataclass(frozen=True, slots=True)
class Done:
    """What was encrypted or decrypted: `files` and their bytes, and the bytes of the encrypted file."""

    source: Path
    target: Path
    content: Content
    files: int
    plain_bytes: int
    encrypted_bytes: int


def encrypt(
    source: Path,
    target: Path,
    *,
    recipients: Sequence[X25519PublicKey] = (),
    passphrase: bytes | None = None,
    overwrite: bool = False,
) -> Done:
    """Encrypt the file or folder at `source` into the file `target`, for `recipients` or for who knows `passphrase`.

    Memory is a few pieces of 1 MiB, whatever the size. `UsageError` when both are given, or neither.
    """
    if bool(recipients) == (passphrase is not None):
        raise UsageError("give recipients or a passphrase, one of the two")
    _check_source(source)
    content: Content = "folder" if source.is_dir() else "file"
    names = _files(source) if content == "folder" else [source]
    _check_spared(target, names)
    sizes = [path.stat().st_size for path in names]
    file_key, salt = os.urandom(KEY), os.urandom(SALT)
    entries = [ToKey.make(file_key, key) for key in recipients]
    made = [ToPassphrase.make(file_key, passphrase)] if passphrase is not None else entries
    header = Header.make(content, salt, made, file_key)
    with _placed(target, folder=False, overwrite=overwrite) as place:
        with _opened(place.create(), "wb") as out:
            out.write(header.raw + header.mac)
            for piece in seal(_plain(source, content, names, sizes), header.payload_key(file_key, target)):
                out.write(piece)
        place.commit()
    return Done(source, target, content, len(names), sum(sizes), target.stat().st_size)


def decrypt(
    source: Path,
    target: Path,
    *,
    identity: X25519PrivateKey | None = None,
    passphrase: bytes | None = None,
    overwrite: bool = False,
) -> Done:
    """Decrypt `source` into `target`, a file or, when a folder was encrypted, a folder.

    Every piece is authenticated before a byte of it is written, and `target` appears when the last one has been seen.
    `NotAuthentic` when the key is another, or the file is not what was encrypted.
    """
    if (identity is None) == (passphrase is None):
        raise UsageError("give a key or a passphrase, one of the two")
    _check_source(source)
    _check_spared(target, [source])
    with _opened(source, "rb") as file:
        header = read_header(file.read, source)
        key = header.payload_key(_file_key(header, source, identity, passphrase), source)
        text = _Text(unseal(file.read, key, source), source)
        folder = header.content == "folder"
        if folder and not overwrite and target.is_dir() and any(target.iterdir()):
            raise TargetExists("holds files already", file=target, hint="--force writes among them")
        with _placed(target, folder=folder, overwrite=overwrite) as place:
            sizes = _unpack(text, place) if folder else [_write(place.create(), text.rest())]
            place.commit()
    return Done(source, target, header.content, len(sizes), sum(sizes), source.stat().st_size)


def _check_source(source: Path) -> None:
    if not source.exists():
        raise UsageError("no such file or folder", file=source)
    if not (source.is_file() or source.is_dir()):  # nobody waits for what comes out of a pipe
        raise UsageError("neither a file nor a folder", file=source)


def _check_spared(target: Path, read: Sequence[Path]) -> None:
    """`UsageError` when the result would take the place of a file that it is made from."""
    if target.exists() and any(target.samefile(path) for path in read):
        raise UsageError("is part of what is read, and would be replaced", file=target)


def _placed(target: Path, *, folder: bool, overwrite: bool) -> Target:
    return Target(target, Copier(default_budget(), Silent()), folder=folder, overwrite=overwrite)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[BinaryIO]:
    try:
        with path.open(mode) as file:
            yield file  # type: ignore[misc]  # binary, as both modes are
    except OSError as error:
        raise HubError(error.strerror or str(error), file=error.filename or path) from error


def _file_key(header: Header, file: Path, identity: X25519PrivateKey | None, passphrase: bytes | None) -> bytes:
    """The file's key, from whichever entry opens."""
    wants = ToKey if identity is not None else ToPassphrase
    fitting = [entry for entry in header.entries if isinstance(entry, wants)]
    if not fitting:
        made = "a passphrase: --passphrase-file" if identity is not None else "recipients' keys: --key"
        raise UsageError(f"encrypted for {made} opens it", file=file)
    for entry in fitting:
        if isinstance(entry, ToKey):
            found = entry.open(identity) if identity is not None else None
        else:
            found = entry.open(passphrase) if passphrase is not None else None
        if found is not None:
            return found
    what = "key is none of its recipients'" if identity is not None else "passphrase is not the one"
    raise NotAuthentic(f"the {what}, or the header was changed", file=file)


def _plain(source: Path, content: Content, names: Sequence[Path], sizes: Sequence[int]) -> Iterator[bytes]:
    """The text to encrypt: the file, or the list of a folder's files and then one after another."""
    if content == "folder":
        listed = [[path.relative_to(source).as_posix(), size] for path, size in zip(names, sizes, strict=True)]
        index = json.dumps(listed, separators=(",", ":")).encode()
        if len(index) > _MOST_INDEX:
            raise UnsupportedFile(f"{len(names)} files are more than the list of a folder holds", file=source)
        yield len(index).to_bytes(_WORD, "little") + index
    for path, size in zip(names, sizes, strict=True):
        yield from _read(path, size)


def _read(path: Path, size: int) -> Iterator[bytes]:
    done = 0
    with _opened(path, "rb") as file:
        while chunk := file.read(PIECE):
            done += len(chunk)
            yield chunk
    if done != size:
        raise HubError(f"had {size} bytes and has {done}: it changes while it is encrypted", file=path)


def _files(folder: Path) -> list[Path]:
    """Every file in `folder`, sorted by name; `UnsupportedFile` for links and other things that are neither."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UnsupportedFile("neither a file nor a folder; only those are encrypted", file=path)
        if path.is_file():
            found.append(path)
    if not found:
        raise UsageError("the folder holds no file", file=folder)
    return found


class _Text:
    """Authenticated pieces, read by the number of bytes."""

    def __init__(self, pieces: Iterator[bytes], file: Path) -> None:
        self._pieces, self.file, self._held = pieces, file, b""

    def take(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, in chunks."""
        while size:
            if not self._held:
                self._held = next(self._pieces, b"")
                if not self._held:
                    raise DamagedFile(f"ends {size} bytes before its list of files does", file=self.file)
            chunk, self._held = self._held[:size], self._held[size:]
            size -= len(chunk)
            yield chunk

    def rest(self) -> Iterator[bytes]:
        """Everything that is left."""
        yield self._held
        self._held = b""
        yield from self._pieces


def _write(path: Path, chunks: Iterator[bytes]) -> int:
    done = 0
    with _opened(path, "wb") as out:
        for chunk in chunks:
            done += out.write(chunk)
    return done


def _unpack(text: _Text, place: Target) -> list[int]:
    """Write the files of an encrypted folder; the sizes."""
    size = int.from_bytes(b"".join(text.take(_WORD)), "little")
    if size > _MOST_INDEX:
        raise DamagedFile(f"a list of files of {size} bytes; at most {_MOST_INDEX} are read", file=text.file)
    listed = _index(parse(b"".join(text.take(size)), text.file), text.file)
    sizes = [_write(place.create(name), text.take(nbytes)) for name, nbytes in listed.items()]
    if any(text.rest()):
        raise DamagedFile("bytes follow the last file of the list", file=text.file)
    return sizes


def _index(value: object, file: Path) -> dict[str, int]:
    """The list of files, each name once and inside the folder: whoever encrypted it need not be a friend."""
    out: dict[str, int] = {}
    for item in value if isinstance(value, list) and value else [None]:
        match item:
            case [str(name), int(size)] if size >= 0 and _inside(name) and name not in out:
                out[name] = size
            case _:
                raise DamagedFile(f"{str(item)[:80]} is no file of a folder and its size", file=file)
    folders = {parent.as_posix() for name in out for parent in PurePosixPath(name).parents}
    if both := sorted(folders & out.keys()):
        raise DamagedFile(f"{both[0][:80]!r} is listed as a file and as a folder", file=file)
    return out


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    clean = path.as_posix() == name and not path.is_absolute() and ".." not in path.parts
    return bool(path.parts) and clean and "\\" not in name and "\0" not in name and ":" not in name
