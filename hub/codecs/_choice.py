"""Which codec does the work: the fastest of those installed, or the one that was asked for.

The order is the one that benchmarks/codecs.py measured (docs/speed.md shows its table): the compiled kernels before
ggml's, which before NumPy's, but for the encodings where those are the faster ones. What a plugin of somebody else
brings comes after the first two, because nobody has measured it, and does what they do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from hub.codecs._reference import reference
from hub.codecs.native._stored import Place, Where
from hub.codecs.native._sums import Sums
from hub.errors import UsageError
from hub.interface import Codec
from hub.ir import Bytes, Encoding

ORDER = ("compiled", "ggml")
"""Names of codecs, the fastest first."""

# Where NumPy's kernels are faster than those of a codec that comes before it.
_SLOWER = {
    ("ggml", "decode"): frozenset({
        "Q5_0", "Q6_K", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "MXFP4", "NVFP4", "Q1_0", "Q2_0",
    }),
    ("ggml", "encode"): frozenset({
        "Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4",
    }),
}  # fmt: skip


def available() -> Sequence[Codec]:
    """The codecs of all plugins and NumPy's, in the order in which they are asked."""
    from hub.plugins import registry

    found = registry().codecs
    ours = [found[name] for name in ORDER if name in found]
    return *ours, *(codec for name, codec in found.items() if name not in ORDER), reference


@dataclass
class Used:
    """What was done and by whom: names of encodings, by name of codec, and "decode" or "encode"."""

    by: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def note(self, codec: str, what: str, encoding: str) -> None:
        """Remember that `codec` decoded or encoded `encoding`."""
        self.by.setdefault((codec, what), set()).add(encoding)

    def names(self) -> list[str]:
        """The codecs that did something."""
        return sorted({codec for codec, _ in self.by})

    def document(self) -> list[dict[str, object]]:
        """The same for JSON: a list of codecs with what each decoded and encoded."""
        return [
            {"codec": name, **{f"{what}d": sorted(self.by.get((name, what), ())) for what in ("decode", "encode")}}
            for name in self.names()
        ]


@dataclass(frozen=True)
class _Choice:
    codecs: tuple[Codec, ...]
    used: Used
    forced: bool = False

    def asked(self, what: str, encoding: str) -> list[Codec]:
        """The codecs in the order in which they are asked to "decode" or "encode" an encoding."""
        late = [] if self.forced else [c for c in self.codecs if encoding in _SLOWER.get((c.name, what), ())]
        return [codec for codec in self.codecs if codec not in late] + late


_chosen: ContextVar[_Choice | None] = ContextVar("chosen", default=None)


@cache
def _default() -> _Choice:
    return _Choice(tuple(available()), Used())


@contextmanager
def using(name: str | None = None) -> Iterator[Used]:
    """Inside the block `name` does all that it can and NumPy the rest; without a name the fastest do.

    What it gives says who did what. It holds for this context (`contextvars`), so threads take it along only when
    told. `UsageError` for a codec that is not installed.
    """
    codecs = tuple(available())
    if name is not None:
        named = [codec for codec in codecs if codec.name == name]
        if not named:
            there = ", ".join(codec.name for codec in codecs)
            raise UsageError(f"--codec: no codec {name!r} is installed", hint=f"there are {there}")
        codecs = (*named, reference)
    choice = _Choice(codecs, Used(), name is not None)
    token = _chosen.set(choice)
    try:
        yield choice.used
    finally:
        _chosen.reset(token)


def asked() -> Sequence[Codec]:
    """The codecs that may do the work, in the block of `using` that this context is in."""
    return _current().codecs


def in_use() -> Used:
    """What was done so far, in the block of `using` that this context is in."""
    return _current().used


def _current() -> _Choice:
    return _chosen.get() or _default()


def _simple(encoding: Encoding, columns: int) -> bool:
    """True where others than the reference may be asked."""
    return columns % encoding.block == 0 and not encoding.flat and encoding.name != "F32"


def decoder(encoding: Encoding, raw: Bytes, columns: int) -> Codec:
    """Who decodes these rows."""
    choice = _current()
    simple = raw.size and _simple(encoding, columns)
    codec = next((c for c in choice.asked("decode", encoding.name) if simple and encoding.name in c.decodes), reference)
    if simple:
        choice.used.note(codec.name, "decode", encoding.name)
    return codec


def encoder(encoding: Encoding, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], weighed: bool) -> Codec:
    """Who encodes these values; `UsageError` where they are weighed and nobody can do that."""
    choice = _current()
    simple = values.size and values.dtype == np.float32 and _simple(encoding, values.shape[1])
    order = choice.asked("encode", encoding.name) if simple else []
    asked = [c for c in order if encoding.name in (c.weighs if weighed else c.encodes)]
    if weighed and not asked:
        hint = "hub-runtime brings a codec that does (ggml)"
        raise UsageError(f"no codec encodes {encoding} under an importance matrix", hint=hint)
    codec = asked[0] if asked else reference
    if simple:
        choice.used.note(codec.name, "encode", encoding.name)
    return codec


@runtime_checkable
class _Fused(Protocol):
    """A codec that decodes and goes on with the values at once, in memory or from file to file."""

    name: str

    def recode(self, old: Encoding, new: Encoding, raw: Bytes) -> Bytes | None: ...

    def carry(self, old: Encoding, new: Encoding, source: Place, target: Place, n: int, most: int) -> bool: ...

    def compare(self, a: Encoding, b: Encoding, x: Where, y: Where, n: int, most: int) -> Sums | None: ...


# What is to be done with values in an encoding: "decode" or "encode".
_Half: TypeAlias = tuple[str, Encoding]


def _first(*halves: _Half) -> _Fused | None:
    """The codec that is asked first for each of these, where it is one and knows how; F32 needs none."""
    choice = _current()
    firsts: list[Codec | None] = []
    for what, encoding in halves:
        if encoding.name != "F32":
            able = (c for c in choice.asked(what, encoding.name) if encoding.name in getattr(c, f"{what}s"))
            firsts.append(next(able, None))
    same = all(codec is firsts[0] for codec in firsts)
    return firsts[0] if firsts and same and isinstance(firsts[0], _Fused) else None


def _note(codec: _Fused, *halves: _Half) -> None:
    for what, encoding in halves:
        if encoding.name != "F32":
            _current().used.note(codec.name, what, encoding.name)


def compared(a: Encoding, b: Encoding, x: Where, y: Where, n: int, most: int) -> Sums | None:
    """What `n` values have in common with others, where one codec decodes both and knows how; None elsewhere."""
    halves: tuple[_Half, _Half] = (("decode", a), ("decode", b))
    codec = _first(*halves)
    done = None if codec is None else codec.compare(a, b, x, y, n, most)
    if codec is not None and done is not None:
        _note(codec, *halves)
    return done


def fused(old: Encoding, new: Encoding, raw: Bytes) -> Bytes | None:
    """Stored rows in another encoding at once, where one codec does both halves and knows how; None elsewhere."""
    halves: tuple[_Half, _Half] = (("decode", old), ("encode", new))
    codec = None if "F32" in (old.name, new.name) else _first(*halves)
    done = None if codec is None else codec.recode(old, new, raw)
    if codec is not None and done is not None:
        _note(codec, *halves)
    return done


def carries(old: Encoding, new: Encoding) -> bool:
    """True where one codec goes from one encoding to another and knows how to do so from file to file."""
    return _first(("decode", old), ("encode", new)) is not None


def carried(old: Encoding, new: Encoding, source: Place, target: Place, n: int, most: int) -> bool:
    """True when one codec has read `n` values at `source` and written them at `target` in another encoding."""
    halves: tuple[_Half, _Half] = (("decode", old), ("encode", new))
    codec = _first(*halves)
    done = codec is not None and codec.carry(old, new, source, target, n, most)
    if codec is not None and done:
        _note(codec, *halves)
    return done
