"""Where a conversion writes: beside the target, and into place only when all of it is there and verified."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.errors import HubError, TargetExists
from hub.interface import Placement
from hub.ir import Tensor
from hub.pipeline._copy import Copier
from hub.pipeline._flush import sync
from hub.pipeline._locks import hold

STAGE = (".hub-", ".tmp")
"""How the name of the hidden folder begins and ends."""


class Target:
    """One write of a file, a set of shards or a folder at `path`. Use as a context manager.

    Files are made in a hidden folder beside the target, under their final names, so that they can be read back as
    they will be. `commit` moves them into place; leaving the block without it removes everything, unless the `copier`
    has a journal, whose folder it is then.
    """

    def __init__(self, path: Path, copier: Copier, *, folder: bool, overwrite: bool) -> None:
        self.path, self.folder, self.overwrite = path, folder, overwrite
        self._copier = copier
        self._made: list[Path] = []
        self._stage: Path | None = None
        self._held: int | None = None

    def __enter__(self) -> Target:
        parent = self.path.absolute().parent
        if not parent.is_dir():
            raise HubError("the folder to write into does not exist", file=parent, hint="create it first")
        if self.folder and self.path.exists() and not self.path.is_dir():
            raise TargetExists("is no folder; a folder would be written there", file=self.path)
        if not self.folder and self.path.is_dir():
            raise TargetExists("is a folder; a file would be written there", file=self.path)
        if not self.folder and self.path.exists() and not self.overwrite:
            raise TargetExists("exists already", file=self.path, hint="--force replaces it")
        if self._copier.stage is None:
            self._stage = Path(tempfile.mkdtemp(prefix=STAGE[0], suffix=STAGE[1], dir=parent))
            self._held = hold(self._stage)
        else:
            self._stage = self._copier.stage
        return self

    def __exit__(self, *_: object) -> None:
        if self._stage is not None and self._copier.stage is None:
            shutil.rmtree(self._stage, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)

    @property
    def stage(self) -> Path:
        """The hidden folder."""
        if self._stage is None:
            raise RuntimeError("a Target is used inside a with block")
        return self._stage

    @property
    def target(self) -> Path:
        """The final path; nothing is written there before `commit`."""
        return self.path

    @property
    def primary(self) -> Path:
        """What a reader is given to read the result back before it is in place."""
        return self.stage if self.folder else self._made[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all files written."""
        return sum(path.stat().st_size for path in self._made if path.exists())

    def create(self, name: str | None = None) -> Path:
        """A fresh path under its final name; `TargetExists` when that name is taken and may not be replaced."""
        name = name or self.path.name
        self._check_free(self._final(name))
        path = self.stage / name
        if not path.resolve().is_relative_to(self.stage.resolve()):
            raise HubError(f"a file named {name!r} would lie outside the target", file=self.path)
        if path.parent != self.stage:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._made.append(path)
        return path

    @property
    def jobs(self) -> int:
        """Threads that a format may use for work of its own."""
        return self._copier.budget.jobs

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        """Write each tensor at its offset, with many workers."""
        self._copier.copy(path, placements)

    def stream(self, tensor: Tensor) -> Iterator[bytes]:
        """The tensor's bytes in order, in pieces."""
        return self._copier.stream(tensor)

    def commit(self) -> list[Path]:
        """Flush everything to the disk and move it into place; the final paths."""
        for path in self._made:
            sync(path)
        if self.folder and not self.path.exists():
            self.stage.chmod(0o755)
            self.stage.rename(self.path)
            self._stage = None
            return [self.path]
        finals = [self._final(str(path.relative_to(self.stage))) for path in self._made]
        for final in finals:  # once more: another run may have been faster
            self._check_free(final)
        for path, final in zip(self._made, finals, strict=True):
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)
        sync(self.path.absolute().parent)
        return [self.path] if self.folder else finals

    def _check_free(self, final: Path) -> None:
        if final.exists() and not self.overwrite:
            raise TargetExists("exists already", file=final, hint="--force replaces it")

    def _final(self, name: str) -> Path:
        return (self.path if self.folder else self.path.parent) / name
