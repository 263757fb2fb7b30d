"""Hard strings, a vocabulary that shows where text is split, and llama.cpp's own ids."""

from __future__ import annotations

import ctypes
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b, sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hub.ir import Tokenizer
from hub_safetensors.tokenizer import PRE_TOKENIZERS

HERE = Path(__file__).parent
Ids = list[list[int]]
LlamaIds = Callable[[Path, Sequence[str]], Ids]


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """Strings on which tokenizers disagree: code, digits, white space, scripts, emoji, marks, look-alikes."""
    texts: list[str] = json.loads((HERE / "corpus.json").read_text())
    assert len(texts) > 200
    return texts


@pytest.fixture(scope="session")
def composed(corpus: list[str]) -> list[str]:
    """Those that Unicode composition leaves as they are; llama.cpp never composes, models' own tokenizers may."""
    return [text for text in corpus if unicodedata.is_normalized("NFC", text)]


@pytest.fixture(scope="session")
def golden() -> dict[str, dict[str, str]]:
    """SHA-256 of llama.cpp's ids (of llama-cpp-python 0.3.36), by pre-tokenizer and by vocabulary."""
    found: dict[str, dict[str, str]] = json.loads((HERE / "llama_ids.json").read_text())
    return found


@pytest.fixture(scope="session")
def digest() -> Callable[[Ids], str]:
    """What `golden` holds of ids."""
    return lambda ids: sha256(json.dumps(ids).encode()).hexdigest()


@pytest.fixture(scope="session")
def pairs(corpus: list[str]) -> Callable[[str], Tokenizer]:
    """A tokenizer for each pre-tokenizer whose tokens are all neighbours in the corpus, merged in no order of theirs.

    Wherever a text is split in another place, some pair comes out differently.
    """
    alphabet = _byte_alphabet()
    byte_level = _pairs_of([[alphabet[byte] for byte in text.encode()] for text in corpus], list(alphabet.values()))
    plain = _pairs_of(_plain(corpus), ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))])

    def make(pre: str) -> Tokenizer:
        return replace(byte_level if PRE_TOKENIZERS[pre].byte_level else plain, pre=pre)

    return make


def _byte_alphabet() -> dict[int, str]:
    """GPT-2's: printable bytes stand for themselves, the others follow U+0100."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _plain(corpus: list[str]) -> list[list[str]]:
    # llama.cpp reads tokens as C strings, and joins lines by other means than merges.
    texts = (text.replace(" ", "\u2581").replace("\0", "") for text in corpus)
    return [list(line) for text in texts for line in text.split("\n")]


def _pairs_of(texts: list[list[str]], first: list[str]) -> Tokenizer:
    letters = sorted({letter for text in texts for letter in text} | {"\n"} - set(first))
    found = {pair for text in texts for pair in pairwise(text)}
    order = sorted(found, key=lambda pair: blake2b("".join(pair).encode()).digest())
    tokens = list(dict.fromkeys([*first, *letters, *(a + b for a, b in order)]))
    return Tokenizer(
        kind="bpe", tokens=tokens, types=[1] * len(tokens), merges=[f"{a} {b}" for a, b in order], special={"unk": 0}
    )


@pytest.fixture(scope="session")
def llama_ids() -> LlamaIds:
    """llama.cpp's ids of texts, special tokens in them found, none added; skips where llama-cpp-python is missing."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    quiet = llama_cpp.llama_log_callback(lambda *_: None)

    def ids(path: Path, texts: Sequence[str]) -> Ids:
        llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        assert model, path
        vocab = llama_cpp.llama_model_get_vocab(model)
        found = [_tokenize(llama_cpp, vocab, text.encode()) for text in texts]
        llama_cpp.llama_model_free(model)
        return found

    return ids


def _tokenize(llama_cpp: Any, vocab: Any, text: bytes) -> list[int]:
    size = 2 * len(text) + 16
    buffer = (llama_cpp.llama_token * size)()
    n = llama_cpp.llama_tokenize(vocab, text, len(text), buffer, size, False, True)
    assert n >= 0
    return list(buffer[:n])
