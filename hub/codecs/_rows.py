"""Rows whose bytes are computed when they are read: another encoding, or a constant added."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from hub.codecs import _apr
from hub.codecs._choice import carried, carries, compared
from hub.codecs._kernel import Floats
from hub.codecs._plain import Values
from hub.codecs._registry import decode, encode, require_decoder, require_encoder, transcode
from hub.codecs.native._stored import Place, alike
from hub.codecs.native._sums import Sums
from hub.errors import HubError
from hub.ir import F32, Bytes, Change, Encoding, FileRows, Index, MemoryRows, Rows, Tensor, widens

# Values held decoded at a time where a whole tensor must be walked.
_PIECE = 1 << 18


def values(tensor: Tensor, start: int, stop: int) -> Values:
    """Values of the stored rows `start` to `stop`, [stop - start, tensor.columns]; see `decode` for the type."""
    return decode(tensor.encoding, tensor.rows.read(start, stop), tensor.columns)


def span(tensor: Tensor, start: int, stop: int) -> Values:
    """Values `start` to `stop` of the whole tensor in row-major order, one-dimensional, whatever the encoding.

    Two tensors of one shape can be walked side by side in equal spans, also when one of them ignores rows.
    """
    if tensor.encoding.flat:
        return _flat_span(tensor, start, stop)
    tensor = tensor.in_blocks()
    columns = max(1, tensor.columns)
    first, last = start // columns, -(-stop // columns)
    return values(tensor, first, last).reshape(-1)[start - first * columns : stop - first * columns]


def sums(a: Tensor, b: Tensor, start: int, stop: int) -> Sums | None:
    """What values `start` to `stop` of two tensors of one shape have in common, in one pass over what is stored.

    None where they must be decoded apart (`span`): no codec does both, the values are no whole rows, or some of them
    are infinite or no numbers.
    """
    stored = [_stored(tensor, start, stop) for tensor in (a, b)]
    if stored[0] is None or stored[1] is None:
        return None
    return compared(a.encoding, b.encoding, stored[0], stored[1], stop - start, stop - start)


def sums_at_once(a: Tensor, b: Tensor, most: int) -> Sums | None:
    """The same of all values of two tensors that lie in files, about `most` values of each held at a time.

    None where they must be gone through in pieces (`sums`).
    """
    places = [_place(tensor) for tensor in (a, b)]
    if places[0] is None or places[1] is None:
        return None
    return compared(a.encoding, b.encoding, places[0], places[1], a.size, most)


def same_bytes(a: Tensor, b: Tensor, most: int) -> bool | None:
    """Whether two tensors that lie in files hold the same bytes, about `most` of each held at a time.

    None where they must be read by `Rows.read`.
    """
    if a.nbytes != b.nbytes or not _lies(a.rows) or not _lies(b.rows):
        return None
    return alike(Place(a.rows.file.fd, a.rows.offset), Place(b.rows.file.fd, b.rows.offset), a.nbytes, most)


def _place(tensor: Tensor) -> Place | None:
    """Where the whole tensor lies in a file, values in row-major order; None where it does not."""
    inner = tensor.in_blocks()
    columns = max(1, inner.columns)
    if inner.encoding.flat or columns % inner.encoding.block or not _lies(inner.rows):
        return None
    return Place(inner.rows.file.fd, inner.rows.offset)


def _lies(rows: Rows) -> TypeGuard[FileRows]:
    """True for rows that are all there in a file, and can be read in any order."""
    return isinstance(rows, FileRows) and rows.inside and hasattr(os, "pread")


def _stored(tensor: Tensor, start: int, stop: int) -> Bytes | None:
    """The rows that values `start` to `stop` are stored in; None where those are no whole rows of whole blocks."""
    inner = tensor.in_blocks()
    columns = max(1, inner.columns)
    if inner.encoding.flat or start % columns or stop % columns or columns % inner.encoding.block:
        return None
    return inner.rows.read(start // columns, stop // columns)


def _flat_span(tensor: Tensor, start: int, stop: int) -> Values:
    old = tensor.encoding
    if start == stop:
        return np.empty(0, np.float32)
    first = start // old.block
    head = _bytes(tensor.rows, 0, old.header)
    body = _bytes(tensor.rows, old.header + first * old.nbytes, old.header + -(-stop // old.block) * old.nbytes)
    raw = np.concatenate([head, body])[None]
    return decode(old, raw, stop - first * old.block)[0, start - first * old.block :]


def _bytes(rows: Rows, start: int, stop: int) -> Bytes:
    """Bytes `start` to `stop` of the only row; no more is read where the storage allows it."""
    if isinstance(rows, FileRows):
        return FileRows(rows.file, rows.offset + start, 1, stop - start).read().reshape(-1)
    whole = rows.data if isinstance(rows, MemoryRows) else rows.read()
    return whole.reshape(-1)[start:stop]


class Recoded(Rows):
    """The rows of `base` in another encoding, computed for the rows that are asked for.

    `importance` weighs the errors of blocks as `encode` says: float32 [columns], or [parts, columns] for a tensor that
    is made of so many equal parts, one after the other.
    """

    def __init__(self, base: Tensor, encoding: Encoding, importance: Floats | None = None) -> None:
        self.base, self.encoding, self.importance = base, encoding, importance
        self.n, self.columns = encoding.grid(base.shape)
        self.width = encoding.row_nbytes(self.columns)
        own = Change.EXACT if widens(base.encoding, encoding) else Change.RECODED
        self.change = max(own, base.change)

    @property
    def widened(self) -> bool:
        """True when every value is kept."""
        return widens(self.base.encoding, self.encoding)

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        if self.encoding.flat:
            with np.errstate(all="ignore"):
                _fill_flat(self.base, self.encoding, out[0])
            return
        try:
            np.copyto(out, self._encoded(start, stop))
        except HubError as error:
            error.tensor = error.tensor or self.base.name
            raise

    @property
    def sends(self) -> bool:
        base = self.base
        if self.importance is not None or base.rows.n != self.n or not _lies(base.rows):
            return False
        if any(encoding.flat or self.columns % encoding.block for encoding in (base.encoding, self.encoding)):
            return False
        return carries(base.encoding, self.encoding)

    def send(self, start: int, stop: int, fd: int, offset: int, values: int) -> bool:
        old, rows = self.base.encoding, self.base.rows
        if not self.sends or not isinstance(rows, FileRows):
            return False
        source = Place(rows.file.fd, rows.offset + start * rows.width)
        return carried(old, self.encoding, source, Place(fd, offset), (stop - start) * self.columns, values)

    def _encoded(self, start: int, stop: int) -> Bytes:
        base = self.base
        if self.importance is None and not base.encoding.flat and base.rows.n == self.n > 1:
            return transcode(base.encoding, self.encoding, base.rows.read(start, stop), self.columns)
        piece = span(base, start * self.columns, stop * self.columns).reshape(stop - start, self.columns)
        if self.importance is None or self.importance.ndim == 1:
            return encode(self.encoding, piece, self.importance)
        return self._weighed_by_parts(start, stop, piece, self.importance)

    def _weighed_by_parts(self, start: int, stop: int, piece: Values, importance: Floats) -> Bytes:
        """Rows of several parts, each under its own importance."""
        rows, done = self.n // len(importance), []
        for at in range(start // rows, -(-stop // rows)):
            first, last = max(start, at * rows), min(stop, (at + 1) * rows)
            done.append(encode(self.encoding, piece[first - start : last - start], importance[at]))
        return np.concatenate(done)

    def slice(self, start: int, stop: int) -> Rows:
        if self._cuttable:
            return self._over(self.base.rows.slice(start, stop))
        return super().slice(start, stop)

    def take(self, index: Index) -> Rows:
        return self._over(self.base.rows.take(index)) if self._cuttable else super().take(index)

    @property
    def _cuttable(self) -> bool:
        parts = self.importance is not None and self.importance.ndim > 1
        return not (self.encoding.flat or self.base.encoding.flat or parts)

    def _over(self, rows: Rows) -> Rows:
        """The same recoding of some rows of the base."""
        base = Tensor(self.base.name, (rows.n, self.columns), self.base.encoding, rows)
        return Recoded(base, self.encoding, self.importance)


def _fill_flat(base: Tensor, encoding: Encoding, out: Bytes) -> None:
    """Encode a whole tensor into `out`, some values at a time."""
    if encoding.header:
        most = max((float(np.abs(_floats(base, a, b)).max()) for a, b in _spans(base)), default=0.0)
        scale = _apr.q8_scale(most)
        out[: encoding.header] = scale.view(np.uint8)
    for a, b in _spans(base):
        at = encoding.header + a // encoding.block * encoding.nbytes
        x = _floats(base, a, b)
        raw = _apr.encode_q8(scale, x) if encoding.header else encode(encoding, x[None])[0]
        out[at : at + len(raw)] = raw


def _floats(base: Tensor, start: int, stop: int) -> Floats:
    return np.asarray(span(base, start, stop), np.float32)


def _spans(base: Tensor) -> list[tuple[int, int]]:
    return [(at, min(base.size, at + _PIECE)) for at in range(0, base.size, _PIECE)]


class Shifted(Rows):
    """The rows of `base` with `delta` added to every value, as F32.

    The change counts as exact: what a norm weight means is the same in a format that stores it with 1 added, and the
    sum is the one that the format's own converters compute, in float32.
    """

    def __init__(self, base: Tensor, delta: float) -> None:
        self.base, self.delta = base, delta
        self.n, self.columns = F32.grid(base.shape)
        self.width = F32.row_nbytes(self.columns)
        self.change = max(Change.EXACT, base.change)

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        with np.errstate(all="ignore"):
            piece = _floats(self.base, start * self.columns, stop * self.columns) + np.float32(self.delta)
        np.copyto(out, piece.reshape(stop - start, self.columns).view(np.uint8))


def recode(tensor: Tensor, encoding: Encoding, importance: Floats | None = None) -> Tensor:
    """The tensor in another encoding, computed lazily; `importance` as `Recoded` takes it.

    What was only widened before is recoded from the original, so going back gives the original's own bytes.
    `UnsupportedFile` when the tensor cannot be decoded, `UsageError` when `encoding` cannot be written.
    """
    rows = tensor.rows
    if isinstance(rows, Recoded) and rows.widened and encoding != tensor.encoding:
        return recode(replace(rows.base, name=tensor.name, shape=tensor.shape), encoding, importance)
    if encoding == tensor.encoding:
        return tensor
    require_decoder(tensor.encoding)
    require_encoder(encoding)
    return replace(tensor, encoding=encoding, rows=Recoded(tensor, encoding, importance))


def shift(tensor: Tensor, delta: float) -> Tensor:
    """The values with `delta` added, as F32; shifting back gives the original values, not a second rounding."""
    rows = tensor.rows
    if isinstance(rows, Shifted) and rows.delta == -delta:
        return recode(replace(rows.base, name=tensor.name, shape=tensor.shape), F32)
    require_decoder(tensor.encoding)
    return replace(tensor, encoding=F32, rows=Shifted(tensor, delta))
