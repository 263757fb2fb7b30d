"""The compiled kernels as a `hub.interface.Codec`, called through ctypes without the GIL."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hub.codecs._kernel import Floats
from hub.codecs._reference import reference
from hub.codecs.native._library import loaded
from hub.codecs.native._stored import STEP, Place, Stored, Where, stored
from hub.codecs.native._sums import Sums, stored_sums
from hub.ir import Bytes, Encoding

Kernel: TypeAlias = Callable[..., int]

_PLAIN = frozenset({"F16", "BF16"})
_BLOCKS = frozenset(
    {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"}
)
_RUN = 1 << 16  # values of F16 or BF16 that go to the reference together when one of them must
_AGAIN = 16  # steps that the reference does where `hub_recode` stopped
_CARRIED = 1 << 18  # values read, recoded and written at a time: more no longer stay in the second-level cache
_WRITTEN = 1 << 19  # bytes of one write: in writes of twice as many the same file took Linux three times as long

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_int64


class Compiled:
    """The kernels of one library; `level` 0 takes the best that the machine has, 1 AVX2 at most, 2 portable ones."""

    name = "compiled"
    decodes = encodes = _PLAIN | _BLOCKS
    weighs: frozenset[str] = frozenset()

    def __init__(self, lib: ctypes.CDLL, level: int = 0) -> None:
        prototype = ctypes.CFUNCTYPE(_SIZE, _POINTER, _POINTER, _POINTER, _SIZE)
        found: dict[str, dict[str, Any]] = {}
        for what in ("decoder", "encoder"):
            look = getattr(lib, f"hub_{what}")
            look.restype, look.argtypes = _POINTER, [ctypes.c_char_p, ctypes.c_int]
            found[what] = {name: prototype(look(name.encode(), level)) for name in self.decodes}
        self._decoders, self._encoders = found["decoder"], found["encoder"]
        self.level = level
        self._recode = lib.hub_recode
        self._recode.restype = _SIZE
        self._recode.argtypes = [ctypes.POINTER(Stored)] * 2 + [_SIZE] * 2

    def decode(self, encoding: Encoding, raw: Bytes, columns: int) -> Floats:
        """Values of stored rows, as the reference's."""
        out = np.empty((len(raw), columns), np.float32)
        ours, values = raw.reshape(-1, encoding.nbytes), out.reshape(-1, encoding.block)

        def again(part: Bytes) -> Floats:
            return reference.decode(encoding, part.reshape(1, -1), len(part) * encoding.block)

        self._run(self._decoders[encoding.name], encoding, ours, values, again)
        return out

    def encode(self, encoding: Encoding, values: Floats, importance: Floats | None = None) -> Bytes:
        """Stored rows of values, as the reference's; there is no importance here (`weighs` is empty)."""
        out = np.empty((len(values), encoding.row_nbytes(values.shape[1])), np.uint8)
        ours, blocks = values.reshape(-1, encoding.block), out.reshape(-1, encoding.nbytes)

        def again(part: Floats) -> Bytes:
            return reference.encode(encoding, part.reshape(1, -1))

        self._run(self._encoders[encoding.name], encoding, ours, blocks, again)
        return out

    def recode(self, old: Encoding, new: Encoding, raw: Bytes) -> Bytes | None:
        """Stored rows in another encoding, a few values at a time; None where that takes two steps.

        Rows must be whole blocks of both.
        """
        if old.name not in self.decodes or new.name not in self.encodes:
            return None
        size = raw.size // old.nbytes * old.block
        out = np.empty(size // new.block * new.nbytes, np.uint8)
        ours, at = raw.reshape(-1), 0
        while at < size:
            rest, empty = (_after(data, encoding, at) for data, encoding in ((ours, old), (out, new)))
            at += self._recode(self._decoded(old, rest), self._encoded(new, empty), size - at, size)
            stop = min(at + _AGAIN * STEP, size)
            if at < stop:
                self._slowly(old, new, ours, out, at, stop)
            at = stop
        return out.reshape(len(raw), -1)

    def carry(self, old: Encoding, new: Encoding, source: Place, target: Place, n: int, most: int) -> bool:
        """Read `n` values at `source`, write them at `target` in another encoding; about `most` are held at a time.

        Encodings are those of this codec, and F32 on one side. False where the reference must do some of them, or a
        file does not give or take its bytes: what was written is of no use then.
        """
        step = max(1, min(_CARRIED, _WRITTEN // new.nbytes * new.block, most) // STEP) * STEP
        done: int = self._recode(self._decoded(old, source), self._encoded(new, target), n, step)
        return done == n

    def compare(self, a: Encoding, b: Encoding, x: Where, y: Where, n: int, most: int) -> Sums | None:
        """What `n` values stored at `x` in `a` have in common with those stored at `y` in `b`.

        Encodings are those that this codec decodes, and F32. None where a block must be left to the reference, or a
        file does not give its bytes. Of what lies in a file about `most` values are held at a time.
        """
        return stored_sums(self._decoded(a, x), self._decoded(b, y), n, most, self.level)

    def _decoded(self, encoding: Encoding, where: Where) -> Stored:
        return stored(where, encoding, self._decoders.get(encoding.name))

    def _encoded(self, encoding: Encoding, where: Where) -> Stored:
        return stored(where, encoding, self._encoders.get(encoding.name))

    def _slowly(self, old: Encoding, new: Encoding, ours: Bytes, out: Bytes, start: int, stop: int) -> None:
        part = _after(ours, old, start)[: (stop - start) // old.block * old.nbytes]
        done = self.encode(new, self.decode(old, part[None], stop - start))
        _after(out, new, start)[: done.size] = done[0]

    def _run(
        self, kernel: Kernel, encoding: Encoding, ours: NDArray[Any], out: NDArray[Any], again: Callable[[Any], Any]
    ) -> None:
        """Blocks of `ours` into `out`; those that the kernel may not do go to the reference, by `again`."""
        step = _RUN if encoding.name in _PLAIN else len(ours)
        odd = np.empty(min(step, len(ours)), np.uint8)
        for at in range(0, len(ours), step):
            source, target = ours[at : at + step], out[at : at + step]
            if kernel(source.ctypes.data, target.ctypes.data, odd.ctypes.data, len(source)):
                left = np.flatnonzero(odd[: len(source)])
                target[left] = again(source[left]).reshape(len(left), -1).view(out.dtype)


def _after(data: Bytes, encoding: Encoding, at: int) -> Bytes:
    """What follows the first `at` values."""
    return data[at // encoding.block * encoding.nbytes :]


@cache
def compiled(level: int = 0) -> Compiled | None:
    """The codec of the library; None where there is none (`loaded`)."""
    lib = loaded()
    return None if lib is None else Compiled(lib, level)
