"""What lies there to be published: every file, what it is for, and what must never leave the house."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hub.errors import HubError, UsageError
from hub.plugins import registry
from hub.signing import usual_signature
from hub_sources._shards import shards

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_PICKLE = re.compile(rb"\x80[\x02-\x05]")  # the protocol that a pickle begins with

# What git and the Hub's own client keep for themselves; a signature of a folder leaves git's out too.
_LEFT_OUT = frozenset({".git", ".gitattributes", ".github", ".gitignore", ".cache"})

# What files are for, by their names; the first that fits.
_ROLES = tuple(
    (re.compile(pattern, re.IGNORECASE), role)
    for pattern, role in (
        (r".*\.sig", "signature"),
        (r"(.*[./])?(hub\.)?provenance\.jsonl", "provenance"),
        (r"README\.md", "card"),
        (r"(LICEN[CS]E|COPYING|NOTICE|USE_POLICY)[^/]*", "licence"),
        (r".*\.index\.json", "index"),
        (r"(.*/)?(tokenizer.*|vocab\..*|merges\.txt|(special_tokens_map|added_tokens)\.json)", "tokenizer"),
        (r".*\.tiktoken", "tokenizer"),
        (r"(.*/)?(spiece|sentencepiece[^/]*)\.model", "tokenizer"),
        (r"(.*/)?chat_template\.(jinja|json)", "template"),
        (r"(.*/)?[^/]*config[^/]*\.json", "config"),
    )
)  # fmt: skip

_SECRET_NAME = re.compile(
    r"(.*/)?(\.env(\..+)?|\.netrc|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)|credentials(\.json)?"
    r"|[^/]*\.(p12|pfx|jks|keystore|kdbx))",
    re.IGNORECASE,
)
# Each kind of secret by how its issuer writes it.
_SECRETS = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        ("a private key", rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
        ("a token of Hugging Face", rb"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{34,}"),
        ("a token of GitHub", rb"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})"),
        ("an access key of AWS", rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("a key of an inference service", rb"(?<![A-Za-z0-9])sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}"),
        ("an API key of Google", rb"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}"),
        ("a token of Slack", rb"(?<![A-Za-z0-9])xox[baprs]-[A-Za-z0-9-]{10,}"),
    )
)
_PIECE, _OVERLAP = 1 << 20, 1 << 10


@dataclass(frozen=True, slots=True)
class Lying:
    """The files at a place, by names relative to `root`; what is left out, and why some may not be published."""

    root: Path
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def lying(path: Path) -> Lying:
    """Every file of the folder `path`; of a file itself, the other shards, signatures and provenance beside it."""
    if not path.exists():
        raise UsageError("no such file or folder", file=path)
    if path.is_dir():
        return _folder(path)
    root = path.absolute().parent
    whole = [root / name for name in shards(path.name)] or [path.absolute()]
    beside = [usual_signature(p) for p in whole] + [p.with_name(f"{p.name}.provenance.jsonl") for p in whole]
    found = [*whole, *(p for p in beside if p.is_file())]
    problems = [f"{p.name} is missing" for p in whole if not p.exists()]
    problems += [f"{p.name} is a symbolic link" for p in found if p.is_symlink()]
    names = sorted(p.name for p in found if p.is_file())
    return Lying(root, tuple(names), (), (*problems, *_refused(root, names)))


def _folder(path: Path) -> Lying:
    names: list[str] = []
    problems: list[str] = []
    for folder, inside, files in os.walk(path):
        for name in sorted((*inside, *files)):
            where = Path(folder, name)
            short = where.relative_to(path).as_posix()
            if short in _LEFT_OUT:
                continue
            if where.is_symlink():
                problems.append(f"{short} is a symbolic link; copy what it names into its place")
            elif where.is_file():
                names.append(short)
            elif not where.is_dir():
                problems.append(f"{short} is neither a file nor a folder")
        inside[:] = [n for n in inside if Path(folder, n).relative_to(path).as_posix() not in _LEFT_OUT]
    left_out = tuple(sorted(n for n in _LEFT_OUT if os.path.lexists(path / n)))
    return Lying(path, tuple(sorted(names)), left_out, (*problems, *_refused(path, names)))


def role(name: str) -> str:
    """What the file `name` is for: "model" when a format claims its ending."""
    if PurePosixPath(name).suffix.lower() in extensions():
        return "model"
    return next((role for pattern, role in _ROLES if pattern.fullmatch(name)), "other")


def extensions() -> frozenset[str]:
    """The endings of all formats' files."""
    return frozenset(e for f in registry().formats.values() for e in f.extensions)


def _refused(root: Path, names: Sequence[str]) -> Iterator[str]:
    """Why files may not be published: pickles run code where they are opened, and secrets are for nobody."""
    for name in sorted(names):
        if name.lower().endswith(PICKLES):
            yield f"{name} is a pickle by its name, which can run code; publish SafeTensors, GGUF or APR"
        elif _SECRET_NAME.fullmatch(name):
            yield f"{name} is a file that holds secrets, by its name"
        elif role(name) != "model":
            yield from _inside(root / name, name)


def _inside(path: Path, name: str) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            if _PICKLE.match(file.read(2)):
                yield f"{name} is a pickle, which can run code; publish SafeTensors, GGUF or APR"
                return
            file.seek(0)
            tail = b""
            while piece := file.read(_PIECE):
                for what, pattern in _SECRETS:
                    if pattern.search(tail + piece):
                        yield f"{name} holds {what}"
                        return
                tail = piece[-_OVERLAP:]
        if zipfile.is_zipfile(path):
            yield from _zipped(path, name)
    except OSError as error:
        raise HubError(f"cannot be read: {error.strerror}", file=path) from error


def _zipped(path: Path, name: str) -> Iterator[str]:
    """torch.save writes a zip file with a pickle in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickle = next((n for n in archive.namelist() if n.endswith(".pkl")), None)
    except (zipfile.BadZipFile, NotImplementedError):
        return
    if pickle:
        yield f"{name} holds the pickle {pickle}, which can run code; publish SafeTensors, GGUF or APR"
