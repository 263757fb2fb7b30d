"""What a worker is told, by value, and what it does with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b

from hub import codecs
from hub.errors import HubError
from hub.ir import Tensor
from hub.pipeline._copy import Copier, Silent
from hub.pipeline._prepare import Prepared, Request, prepare
from hub.pipeline._shares import Piece
from hub.plugins import registry


@dataclass(frozen=True)
class Work:
    """A conversion, told to another process: the request, the format to write, and the fingerprint of its plan.

    All of it can be pickled and hashed; paths are absolute. No tensor goes to a worker: it plans again.
    """

    request: Request
    format: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request, made: Prepared) -> Work:
        """The work of `request`, which was decided as `made`."""
        source, imatrix = (path and path.absolute() for path in (request.path, request.imatrix))
        plain = replace(
            request,
            source=source or request.source,
            target=request.target.absolute(),
            imatrix=imatrix,
            encode=tuple(request.encode),
            assume=tuple(request.assume),
        )
        return cls(plain, made.target.name, made.fingerprint)


@dataclass(frozen=True)
class Done:
    """What a worker says of a piece: the digest of what it wrote, in hexadecimal, and which codec did what."""

    digest: str
    used: dict[tuple[str, str], set[str]] = field(default_factory=dict)


def do(work: Work, path: str, piece: Piece) -> Done:
    """Write `piece` into the file at `path`, which is there and long enough.

    `HubError` when this process plans something else than the one that asks, or does not see the file.
    """
    made = _made(work)
    copier = Copier(work.request.budget, Silent())
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        hint = "every worker must see the folder that is written to"
        raise HubError("a worker does not see this file", file=path, hint=hint) from None
    try:
        with codecs.using(work.request.codec) as used:
            digest = write(copier, fd, piece, [planned.tensor for planned in made.plan.tensors])
    finally:
        os.close(fd)
    return Done(digest, used.by)


def write(copier: Copier, fd: int, piece: Piece, tensors: Sequence[Tensor]) -> str:
    """Write the shares of `piece`, whose numbers mean `tensors`, into an open file; the digest of their bytes."""
    digest = blake2b(digest_size=16)
    for share in piece.shares:
        for data in copier.rows(fd, share.offset, tensors[share.tensor], share.start, share.stop):
            digest.update(data)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _made(work: Work) -> Prepared:
    """The plan, made once by each process."""
    made = prepare(work.request, registry().named(work.format))
    if made.fingerprint != work.fingerprint:
        hint = "the source or the plugins differ between the processes, or changed meanwhile"
        raise HubError("a worker plans other tensors than were asked for", file=work.request.path, hint=hint)
    return made
