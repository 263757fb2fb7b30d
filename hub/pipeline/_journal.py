"""What a conversion keeps when it breaks, and how the next one finds it.

Beside the target `NAME` lies the hidden folder `.hub-NAME.resume`:

    journal    one JSON object a line: first the conversion it belongs to, then each piece that was written
    files/     the files being written, under their final names
    before/    those of the run that broke, until what is whole of them is taken over
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

from hub.errors import HubError, UsageError
from hub.interface import Placement
from hub.ir import File
from hub.pipeline._copy import each
from hub.pipeline._flush import sync
from hub.pipeline._locks import hold
from hub.pipeline._shares import Piece

SCHEMA = "hub.journal/1"
_STEP = 1 << 20


def resumable(target: Path) -> Path:
    """The folder in which a conversion to `target` keeps what is whole."""
    return target.absolute().parent / f".hub-{target.name}.resume"


class Journal:
    """Which pieces of a conversion to `target` are written. Use as a context manager.

    `identity` says what is converted and how, by words for the user; a folder that was begun with another one is
    refused (`UsageError`). The folder stays when the block is left by an exception with something whole in it, and goes
    otherwise.
    """

    def __init__(self, target: Path, identity: Mapping[str, Any]) -> None:
        self.folder = resumable(target)
        self.stage, self._before, self._path = self.folder / "files", self.folder / "before", self.folder / "journal"
        self._identity = json.loads(json.dumps(identity))
        self._lock = threading.Lock()
        self._digests: dict[tuple[str, str], str] = {}
        self.taken = 0
        """Pieces that were whole already."""

    def __enter__(self) -> Journal:
        if not self.folder.parent.is_dir():
            raise HubError("the folder to write into does not exist", file=self.folder.parent, hint="create it first")
        self.folder.mkdir(exist_ok=True)
        held = hold(self.folder)
        if held is None:
            raise HubError("another run is writing here just now", file=self.folder)
        self._held = held
        try:
            self._read()
            self._set_aside()
            self._out = self._path.open("ab")
            if not self._out.tell():
                self._append({"schema": SCHEMA, "conversion": self._identity})
                sync(self.folder)
        except BaseException:
            os.close(held)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        self._out.close()
        if kind is None or not self._digests:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._held)

    def record(self, path: Path, piece: Piece, digest: str) -> None:
        """Remember that `piece` of the file at `path` was written; on the disk when this returns."""
        with self._lock:
            self._digests[self._name(path), str(piece)] = digest
            self._append({"file": self._name(path), "bytes": str(piece), "digest": digest})

    def left(self, path: Path, placements: Sequence[Placement], pieces: Sequence[Piece], jobs: int) -> list[Piece]:
        """Take over what is whole of the file at `path`, which its format has begun anew; the pieces still to do.

        A piece is whole when the bytes on the disk have the digest that was written down. What lies between the tensors
        is taken from the new file.
        """
        name = self._name(path)
        before = self._before / name
        known = [p for p in pieces if (name, str(p)) in self._digests] if before.is_file() else []
        whole: set[str] = set()
        if known:
            file = File(before)

            def check(piece: Piece) -> None:
                if _digest(file, piece) == self._digests[name, str(piece)]:
                    whole.add(str(piece))

            each(known, check, jobs)
        if whole:
            _between(path, before, placements)
            before.replace(path)
        self.taken += len(whole)
        return [piece for piece in pieces if str(piece) not in whole]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.stage).as_posix()

    def _append(self, line: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(line).encode() + b"\n")
        self._out.flush()
        os.fsync(self._out.fileno())

    def _read(self) -> None:
        """The pieces of the run that broke; a last line that is cut off counts as none."""
        if not self._path.exists():
            return
        lines = self._path.read_bytes().split(b"\n")
        try:
            first, *others = [json.loads(line) for line in lines[:-1]] or [{"conversion": self._identity}]
            self._check(first["conversion"])
            self._digests = {(line["file"], line["bytes"]): line["digest"] for line in others}
        except (ValueError, KeyError, TypeError) as error:
            raise HubError(f"is no journal of a conversion: {error!r}", file=self._path, hint=self._remove) from None
        if lines[-1]:
            os.truncate(self._path, len(self._path.read_bytes()) - len(lines[-1]))

    def _check(self, begun: Mapping[str, Any]) -> None:
        other = sorted(k for k in {*begun, *self._identity} if begun.get(k) != self._identity.get(k))
        if other:
            message = f"--resume: what broke off here was another conversion: {', '.join(other)} differ"
            raise UsageError(message, file=self.folder, hint=self._remove)

    @property
    def _remove(self) -> str:
        return f"rm -r '{self.folder}' removes it"

    def _set_aside(self) -> None:
        """Files of the run that broke go to `before`, but for those that were begun anew and hold nothing yet."""
        if self.stage.is_dir():
            for path in sorted(p for p in self.stage.rglob("*") if p.is_file()):
                aside = self._before / path.relative_to(self.stage)
                if not aside.exists():
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(aside)
            shutil.rmtree(self.stage)
        self.stage.mkdir(mode=0o700)


def _digest(file: File, piece: Piece) -> str | None:
    """The digest of the bytes of `piece` in a file; None where the file ends before."""
    digest = blake2b(digest_size=16)
    for share in piece.shares:
        if share.offset + share.nbytes > file.size:
            return None
        for at in range(share.offset, share.offset + share.nbytes, _STEP):
            digest.update(file.read(at, min(_STEP, share.offset + share.nbytes - at)))
    return digest.hexdigest()


def _between(new: Path, old: Path, placements: Sequence[Placement]) -> None:
    """Make `old` what `new` is, but for the bytes of the tensors."""
    spans = sorted((offset, offset + tensor.nbytes) for offset, tensor in placements)
    with new.open("rb") as source, old.open("r+b") as target:
        size = source.seek(0, os.SEEK_END)
        target.truncate(max([size, *(stop for _, stop in spans)]))
        at = 0
        for start, stop in [*spans, (size, size)]:
            while at < min(start, size):
                source.seek(at)
                target.seek(at)
                at += target.write(source.read(min(_STEP, start - at)))
            at = max(at, stop)
