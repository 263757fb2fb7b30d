"""Writing piece by piece: in workers elsewhere, or remembering what is whole, or both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub import codecs
from hub.errors import UsageError
from hub.interface import Placement
from hub.pipeline._copy import Copier, Progress, each, room
from hub.pipeline._executors._attempts import run
from hub.pipeline._executors._engines import Engine
from hub.pipeline._executors._work import Done, Work, write
from hub.pipeline._journal import Journal
from hub.pipeline._prepare import Prepared, Request
from hub.pipeline._shares import Piece, cut, grain, numbers


class Spread(Copier):
    """Copies a plan's tensors in pieces, by `workers` or threads, and writes down in `journal` what is whole."""

    def __init__(
        self, request: Request, made: Prepared, progress: Progress, workers: Engine | None, journal: Journal | None
    ) -> None:
        super().__init__(request.budget, progress)
        self._journal = journal
        self._workers, self._work = workers, Work.of(request, made)
        self._known, self._grain = numbers(made.plan), grain(made.plan)
        self._tensors = [planned.tensor for planned in made.plan.tensors]
        self._pieces = 0
        self._failed: list[str] = []

    @property
    def stage(self) -> Path | None:
        """The journal's, if there is one."""
        return None if self._journal is None else self._journal.stage

    @property
    def remarks(self) -> Sequence[str]:
        """How many pieces there were, which were whole already, and which had to be done again."""
        out = []
        if self._journal is not None and self._journal.taken:
            out.append(f"--resume: {self._journal.taken} of {self._pieces} pieces were whole")
        if self._workers is not None:
            out.append(f"--executor {self._workers.name}: {self._pieces} pieces, {len(self._failed)} attempts failed")
        return [*out, *(f"done again: {failure}" for failure in self._failed)]

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        pieces, rest = cut(placements, self._known, self._grain)
        self._pieces += len(pieces)
        left = pieces
        if self._journal is not None:
            left = self._journal.left(path, placements, pieces, self.budget.jobs)
            self.progress.advance(sum(p.nbytes for p in pieces) - sum(p.nbytes for p in left))
        with room(path, placements) as fd:
            if self._workers is None:
                each(left, lambda p: self._record(path, p, write(self, fd, p, self._tensors)), self.budget.jobs)
            else:
                self._send(self._workers, path, left)
        if rest:
            super().copy(path, rest)

    def _send(self, workers: Engine, path: Path, pieces: Sequence[Piece]) -> None:
        def done(piece: Piece, what: Done) -> None:
            for (codec, verb), names in what.used.items():
                for name in names:
                    codecs.in_use().note(codec, verb, name)
            self._record(path, piece, what.digest)
            self.progress.advance(piece.nbytes)

        self._failed += run(workers, self._work, str(path), pieces, done)

    def _record(self, path: Path, piece: Piece, digest: str) -> None:
        if self._journal is not None:
            self._journal.record(path, piece, digest)

    def check_effect(self) -> None:
        """`UsageError` when nothing was written in pieces: the format packs, or writes no tensors."""
        if not self._pieces:
            flag = "--resume" if self._workers is None else "--executor"
            raise UsageError(f"{flag} has no effect: {self._work.format} wrote no tensor that can be cut into pieces")
