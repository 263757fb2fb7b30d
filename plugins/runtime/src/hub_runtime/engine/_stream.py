"""Bytes of tokens to text: no half characters, and nothing that may turn out to begin a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns pieces of bytes into text, holding back what is not certain yet.

    A character whose bytes arrive in several pieces comes out whole; invalid UTF-8 becomes U+FFFD. `stopped` is the
    stop string that was met; neither it nor anything behind it comes out.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stops = [s for s in stops if s]
        self._held = ""
        self.stopped: str | None = None

    def feed(self, piece: bytes) -> str:
        """The text that is certain now that `piece` arrived."""
        return self._release(self._decode(piece))

    def flush(self) -> str:
        """The rest, when no more will arrive."""
        text = self._release(self._decode(b"", True))
        rest, self._held = self._held, ""
        return text + rest

    def _release(self, new: str) -> str:
        if not self._stops:
            return new
        if self.stopped is not None:
            return ""
        text = self._held + new
        met = min(((text.find(s), s) for s in self._stops if s in text), default=None)
        if met is not None:
            self._held, self.stopped = "", met[1]
            return text[: met[0]]
        keep = max((overlap(text, s) for s in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
