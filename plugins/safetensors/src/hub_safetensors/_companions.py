"""The files around the weights: read from a folder when asked for, or kept inside a single file's metadata."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Container, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from hub.beside import Beside
from hub.errors import DamagedFile
from hub_safetensors._json import MAX_DOCUMENT

# What is no weight and no picture: everything a loader, a tokenizer or a person reads as text.
_SUFFIXES = {
    ".json", ".jsonl", ".jinja", ".txt", ".model", ".md", ".py", ".yaml", ".yml", ".tiktoken", ".bpe", ".spm", ".vocab",
    ".toml", ".cfg",
}  # fmt: skip
_BARE = {"license", "notice", "copying", "use_policy", "acceptable_use_policy", "readme", ".gitattributes"}
_DEPTH = 3
_MOST = 1000  # files; a folder with more is no model's own

OWN = "hub.json"
# Who signed these very files and what they were made from: true of no other file, so it goes nowhere else.
_ATTESTATIONS = (".sig", ".provenance.jsonl")
_TEXT, _PACKED = "hub.file.", "hub.packed."
_PACK_FROM = 16 << 10
_LEVEL = 5  # a tenth of the time that 9 takes, for 5 % more of a tokenizer.json


class FolderFiles(Mapping[str, bytes]):
    """The companion files of a model folder by relative name, each read when asked for.

    `weights` names the files that are no companions; `left` are others that cannot be one.
    """

    def __init__(self, folder: Path, weights: Container[str]) -> None:
        self._folder = folder
        self._names, self.left = _walk(folder, weights)

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        return read_small(self._folder / name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class EmbeddedFiles(Mapping[str, bytes]):
    """The companion files that a single file holds in its `__metadata__`, unpacked when asked for."""

    def __init__(self, metadata: Mapping[str, str], path: Path) -> None:
        self._metadata, self._path = metadata, path
        keys = {key: key.removeprefix(_TEXT) for key in metadata if key.startswith(_TEXT)}
        keys |= {key: key.removeprefix(_PACKED) for key in metadata if key.startswith(_PACKED)}
        self._keys = {name: key for key, name in keys.items() if _safe(name)}

    def __getitem__(self, name: str) -> bytes:
        key = self._keys[name]
        value = self._metadata[key]
        return value.encode() if key.startswith(_TEXT) else unpacked(value, self._path, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class Without(Mapping[str, bytes]):
    """`files` without the names in `hidden`, still read only when asked for."""

    def __init__(self, files: Mapping[str, bytes], hidden: set[str]) -> None:
        self._files = files
        self._names = [name for name in files if name not in hidden]

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


Packing: TypeAlias = Mapping[str, Beside[str]]
"""`packed` of some files by name, on its way."""


def packing(files: Mapping[str, bytes]) -> Packing:
    """Begin to pack those of `files` that are too long to be entries as they are."""
    return {name: Beside(partial(packed, data)) for name, data in files.items() if len(data) > _PACK_FROM}


def embedded(files: Mapping[str, bytes], begun: Packing) -> dict[str, str]:
    """`files` as entries of `__metadata__`: short text as it is, anything else zlib-packed in base64.

    What `begun` holds is not packed again.
    """
    return dict(_entry(name, data, begun.get(name)) for name, data in sorted(files.items()))


def is_embedded(key: str) -> bool:
    """True for keys of `__metadata__` that `embedded` makes."""
    return key.startswith((_TEXT, _PACKED))


def packed(data: bytes) -> str:
    """`data` zlib-packed, in base64."""
    return base64.b64encode(zlib.compress(data, _LEVEL)).decode("ascii")


def unpacked(text: str, path: Path | str, what: str) -> bytes:
    """The inverse of `packed`; `DamagedFile` when `text` is anything else or unpacks to more than a document."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_DOCUMENT)
    except (binascii.Error, zlib.error, TypeError, ValueError) as error:
        raise DamagedFile(f"{what} is not zlib in base64: {error}", file=path) from None
    if not unpacker.eof:
        raise DamagedFile(f"{what} is cut short or unpacks to more than {MAX_DOCUMENT} bytes", file=path)
    return data


def read_small(path: Path) -> bytes:
    """A document's bytes; `DamagedFile` when it is larger than any document is."""
    size = path.stat().st_size
    if size > MAX_DOCUMENT:
        raise DamagedFile(f"a document of at most {MAX_DOCUMENT} bytes was expected, not {size}", file=path)
    return path.read_bytes()


def _entry(name: str, data: bytes, begun: Beside[str] | None) -> tuple[str, str]:
    if len(data) <= _PACK_FROM:
        try:
            return _TEXT + name, data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return _PACKED + name, packed(data) if begun is None else begun.result()


def _walk(folder: Path, weights: Container[str]) -> tuple[dict[str, None], list[str]]:
    """Names of companion files, sorted, and of other files that are left behind."""
    names: dict[str, None] = {}
    left: list[str] = []
    for path in sorted(islice(_files(folder, _DEPTH), _MOST)):
        name = path.relative_to(folder).as_posix()
        if name == OWN or name in weights or name.endswith(_ATTESTATIONS):
            continue
        if _is_companion(path):
            names[name] = None
        else:
            left.append(name)
    return names, left


def _files(folder: Path, depth: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if depth > 1 and not path.name.startswith((".", "__", "checkpoint-")):
                yield from _files(path, depth - 1)
        elif path.is_file():
            yield path


def _is_companion(path: Path) -> bool:
    known = path.suffix.lower() in _SUFFIXES or path.name.lower() in _BARE or path.stem.lower() in _BARE
    return known and path.stat().st_size <= MAX_DOCUMENT


def _safe(name: str) -> bool:
    """A name that stays inside a folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
