"""Text to tokens and back, as llama.cpp does it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from hub.errors import HubError
from hub_runtime.engine._library import library

_NULL = -1  # LLAMA_TOKEN_NULL
_SPM = 1  # LLAMA_VOCAB_TYPE_SPM
_BYTE = 1 << 5  # LLAMA_TOKEN_ATTR_BYTE
_SPACE = "\u2581"  # what SentencePiece writes for a space, and puts before a text


class Vocab:
    """The vocabulary of a loaded model. Token ids are ints; a special token that the model lacks is None."""

    def __init__(self, handle: int) -> None:
        self._c: Any = library()
        self.handle = handle
        self.size: int = self._c.llama_vocab_n_tokens(handle)
        self.bos = self._special("bos")
        self.eos = self._special("eos")
        self.eot = self._special("eot")
        self.sep = self._special("sep")
        self.pad = self._special("pad")
        self._middle = [self._special(f"fim_{name}") for name in ("pre", "suf", "mid")]
        self.add_bos: bool = self._c.llama_vocab_get_add_bos(handle)
        self.add_eos: bool = self._c.llama_vocab_get_add_eos(handle)
        self._pieces: dict[tuple[int, bool], bytes] = {}
        self._ends: dict[int, bool] = {}

    def _special(self, name: str) -> int | None:
        found: int = getattr(self._c, f"llama_vocab_{name}")(self.handle)
        return None if found == _NULL else found

    def tokenize(self, text: str, *, add_special: bool = True, parse_special: bool = True) -> list[int]:
        """Token ids of `text`.

        `add_special` adds BOS and EOS where the model asks for them; `parse_special` reads "<|im_end|>" and the like
        as the token it names instead of as plain text. `HubError` for a character that the vocabulary cannot spell.
        """
        self._check_spelled(text)
        data = text.encode("utf-8", "surrogateescape")
        count = len(data) + 8
        for _ in range(2):
            buffer = (ctypes.c_int32 * count)()
            got = self._c.llama_tokenize(self.handle, data, len(data), buffer, count, add_special, parse_special)
            if got >= 0:
                return list(buffer[:got])
            count = -got
        raise HubError(f"a text of {len(data)} bytes cannot be tokenized")

    def _check_spelled(self, text: str) -> None:
        """llama.cpp ends the process on what such a vocabulary has neither as a character nor as bytes."""
        spelled = self._spelled
        if spelled is None:
            return
        for char in sorted(set(text.replace(" ", _SPACE) + _SPACE)):
            data = char.encode("utf-8", "surrogateescape")
            if data not in spelled and not all(b"<0x%02X>" % byte in spelled for byte in data):
                raise HubError(f"the vocabulary has no token for {char!r}, and none for its bytes")

    @cached_property
    def _spelled(self) -> frozenset[bytes] | None:
        """How the tokens are spelled, of a SentencePiece vocabulary without a token for each byte; None of others."""
        if self._c.llama_vocab_type(self.handle) != _SPM:
            return None
        attributes = (self._c.llama_vocab_get_attr(self.handle, token) for token in range(self.size))
        if sum(1 for _ in islice((a for a in attributes if a & _BYTE), 256)) == 256:
            return None
        return frozenset(self._c.llama_vocab_get_text(self.handle, token) or b"" for token in range(self.size))

    def around(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int] | None:
        """The prompt for what comes between `prefix` and `suffix`; None when the model has no tokens for that.

        In the order prefix, suffix, middle (Bavarian et al. 2022), as llama.cpp's server and Qwen's model card have it.
        """
        before, behind, middle = self._middle
        if before is None or behind is None or middle is None:
            return None
        start = [self.bos] if self.add_bos and self.bos is not None and list(prefix[:1]) == [self.bos] else []
        return [*start, before, *prefix[len(start) :], behind, *suffix, middle]

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of one token, perhaps part of a character; a control token has some only when `special`."""
        key = (token, special)
        if key not in self._pieces:
            if not 0 <= token < self.size:
                raise HubError(f"token {token} is not in the vocabulary of {self.size}")
            self._pieces[key] = self._piece(token, special)
        return self._pieces[key]

    def _piece(self, token: int, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            got: int = self._c.llama_token_to_piece(self.handle, token, buffer, size, 0, special)
            if got >= 0:
                return buffer.raw[:got]
            size = -got

    def detokenize(self, tokens: Sequence[int], *, special: bool = False) -> str:
        """The text of `tokens`, without the space that some tokenizers put first."""
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        size = 16 * len(tokens) + 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            got: int = self._c.llama_detokenize(self.handle, ids, len(tokens), buffer, size, False, special)
            if got >= 0:
                return buffer.raw[:got].decode("utf-8", "replace")
            size = -got

    def text(self, token: int) -> str:
        """How the vocabulary spells `token`: "Ġthe", "<|im_end|>"."""
        found: bytes | None = self._c.llama_vocab_get_text(self.handle, token)
        return (found or b"").decode("utf-8", "replace")

    def ends(self, token: int) -> bool:
        """True when `token` ends a generation: EOS, end of turn and the like."""
        if token not in self._ends:
            self._ends[token] = bool(self._c.llama_vocab_is_eog(self.handle, token))
        return self._ends[token]
