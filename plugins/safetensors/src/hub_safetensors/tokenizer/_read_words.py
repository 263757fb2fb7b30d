"""BPE and WordPiece: vocabularies in tokenizer.json, whose added tokens are told apart by their flags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Tokenizer, TokenType
from hub_safetensors.tokenizer._control import looks_special
from hub_safetensors.tokenizer._folder import NAMED, Folder, bounded, text_of
from hub_safetensors.tokenizer._identify import identify
from hub_safetensors.tokenizer._special import find_special
from hub_safetensors.tokenizer._write_spm import ADDED_SCORE, BYTE_FALLBACK

SPACE = "\u2581"
BYTE_LEVEL_SPACE = "\u0120"
# Control tokens of Gemma 4 that chat parsers want to see.
GEMMA4_SHOWN = (
    "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>',
)  # fmt: skip


@dataclass
class Vocabulary:
    """Tokens by id, and the added ones among them."""

    tokens: dict[int, str]
    added: dict[int, dict[str, Any]] = field(default_factory=dict)

    def listed(self, size: int) -> list[str]:
        """The tokens of ids up to `size`; ids without a token are holes."""
        return [self.tokens.get(i, f"[PAD{i}]") for i in range(size)]


def read_vocabulary(folder: Folder) -> Vocabulary:
    """The vocabulary of tokenizer.json, with the special tokens that only tokenizer_config.json names."""
    vocab = folder.model.get("vocab")
    if not isinstance(vocab, dict) or {*map(type, vocab.values())} - {int} or min(vocab.values(), default=0) < 0:
        raise DamagedFile("a vocabulary of tokens and their ids was expected", file="tokenizer.json")
    found = Vocabulary({i: token for token, i in vocab.items()})
    if len(found.tokens) < len(vocab):
        _check_distinct(vocab)
    added: dict[int, str] = {}
    for token in folder.added():
        _place(added, token["id"], token["content"])
        found.added[token["id"]] = token
    for i, token in folder.added_in_config():
        found.added.setdefault(i, token)
    have = {token["content"] for token in found.added.values()}
    for text in dict.fromkeys(_named(folder)):
        if text not in have and text in vocab:
            found.added[vocab[text]] = {"content": text, "special": True}
    found.tokens |= {i: token["content"] for i, token in found.added.items()}
    return found


def _check_distinct(vocab: dict[str, int]) -> None:
    tokens: dict[int, str] = {}
    for token, i in vocab.items():
        _place(tokens, i, token)


def _place(tokens: dict[int, str], i: int, token: str) -> None:
    """Give `token` the id `i`; `DamagedFile` when another token has it."""
    if tokens.setdefault(i, token) != token:
        raise DamagedFile(f"tokens {tokens[i][:40]!r} and {token[:40]!r} both have the id {i}", file="tokenizer.json")


def _named(folder: Folder) -> Iterator[str]:
    config = folder.tokenizer_config
    more = [*(config.get("additional_special_tokens") or ()), *(config.get("extra_special_tokens") or ())]
    stated = [*(folder.named(name) for name in NAMED), *map(text_of, more)]
    yield from (text for text in stated if text)


def load(folder: Folder) -> Any:
    """tokenizer.json as the package `tokenizers` runs it, without truncation or padding."""
    from tokenizers import Tokenizer as Backend

    try:
        backend = Backend.from_buffer(folder.files.get("tokenizer.json") or json.dumps(folder.tokenizer).encode())
    except Exception as e:
        raise DamagedFile(f"the package tokenizers cannot load it: {e}", file="tokenizer.json") from None
    backend.no_truncation()
    backend.no_padding()
    return backend


def _listed(folder: Folder, backend: Any) -> tuple[list[str], list[int]]:
    """All tokens by id and their types; ids without a token are holes."""
    vocabulary = read_vocabulary(folder)
    last = max(vocabulary.tokens, default=-1)
    size = folder.vocab_size or bounded(last + 1, "tokenizer.json")
    if last >= size:
        raise UnsupportedFile(
            f"token {last} is outside the model's vocabulary of {size}",
            file="tokenizer.json",
            hint="make vocab_size in config.json and the embedding larger, or take the token out",
        )
    tokens, normal, unused = vocabulary.listed(size), int(TokenType.NORMAL), int(TokenType.UNUSED)
    types = [normal if i in vocabulary.tokens else unused for i in range(size)]
    for i, token in vocabulary.added.items():
        tokens[i], types[i] = _added(token, backend)
    return tokens, types


def _added(token: dict[str, Any], backend: Any) -> tuple[str, int]:
    text = token["content"]
    # llama.cpp looks for added tokens in text that nobody normalized, so they are put down as they are decoded.
    if not token.get("normalized", not token.get("special")) and not (text.isascii() and " " not in text):
        text = backend.decode(backend.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
    if token.get("special") or looks_special(text):
        return text, TokenType.CONTROL
    return text.replace(SPACE, " "), TokenType.USER_DEFINED


def read_bpe(folder: Folder, pre: str | None) -> Tokenizer:
    """BPE with merges; `pre` is None in the result when the pre-tokenizer is not known and not given."""
    backend = load(folder)
    tokens, types = _listed(folder, backend)
    special = find_special(folder)
    if folder.family in LLAMA_FAMILY:
        llama_flags(folder, special.flags, special.ids)
    for name, token in FAMILY_SPECIAL.get(str(folder.family), {}).items():
        if token in tokens:
            special.ids.setdefault(name, tokens.index(token))
    return Tokenizer(
        kind="bpe",
        tokens=tokens,
        types=types,
        merges=_merges(folder),
        pre=pre or identify(folder.tokenizer, backend, folder.family),
        special=special.ids,
        flags=special.flags,
        chat_template=special.chat_template,
        token_type_count=folder.config.get("type_vocab_size", 1) if folder.family in ROBERTA_FAMILY else None,
    )


def read_gemma4(folder: Folder) -> Tokenizer:
    """Gemma 4's BPE over plain Unicode, whose tokens all have the score that the script gives to added ones."""
    vocabulary = read_vocabulary(folder)
    size = bounded(max(folder.vocab_size or 0, 1 + max(vocabulary.tokens, default=-1)), "tokenizer.json")
    tokens = vocabulary.listed(size)
    special = {i for i, token in vocabulary.added.items() if token.get("special")}
    found = find_special(folder)
    return Tokenizer(
        kind="bpe",
        tokens=tokens,
        scores=[ADDED_SCORE] * size,
        types=[int(_gemma4_type(i, token, vocabulary, special)) for i, token in enumerate(tokens)],
        merges=_merges(folder),
        pre="gemma4",
        special=found.ids,
        flags={**found.flags, "add_space_prefix": False, "add_bos": True},
        chat_template=found.chat_template,
    )


def _gemma4_type(i: int, token: str, vocabulary: Vocabulary, special: set[int]) -> TokenType:
    if i not in vocabulary.tokens:
        return TokenType.UNUSED
    if token in BYTE_FALLBACK:
        return TokenType.BYTE
    if token in GEMMA4_SHOWN:
        return TokenType.USER_DEFINED
    return TokenType.CONTROL if i in special else TokenType.NORMAL


def read_wordpiece(folder: Folder, pre: str | None) -> Tokenizer:
    """BERT's WordPiece, continuations marked with `##`."""
    backend = load(folder)
    tokens, types = _listed(folder, backend)
    special = find_special(folder, len(tokens))
    return Tokenizer(
        kind="wordpiece",
        tokens=tokens,
        types=types,
        pre=pre or identify(folder.tokenizer, backend, folder.family),
        special=special.ids,
        flags=special.flags,
        chat_template=special.chat_template,
        token_type_count=folder.config.get("type_vocab_size", 1),
    )


def _merges(folder: Folder) -> list[str]:
    """Merges as "left right"; a space within a part is written as the byte-level alphabet does."""
    merges = folder.model.get("merges") or []
    kinds = {*map(type, merges)}
    if kinds <= {str}:
        return list(merges)
    if kinds != {list} or {*map(len, merges)} != {2} or {*map(type, chain.from_iterable(merges))} != {str}:
        raise DamagedFile("merges are pairs of tokens, something else is there", file="tokenizer.json")
    return [f"{a} {b}" if " " not in a and " " not in b else _spaced(a, b) for a, b in merges]


def _spaced(a: str, b: str) -> str:
    return a.replace(" ", BYTE_LEVEL_SPACE) + " " + b.replace(" ", BYTE_LEVEL_SPACE)


# Families that the script converts as llama, whose flags it sets by rules of their own.
LLAMA_FAMILY = ("llama", "mistral", "mixtral", "granite", "granitemoe", "smollm3", "arcee")
ROBERTA_FAMILY = ("roberta",)
# Tokens that the script takes for special ones where no file states any.
FAMILY_SPECIAL = {
    "glm4": {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>", "eot": "<|user|>"},
}
GRANITE_VOCAB, CODE_LLAMA_VOCAB, CODE_LLAMA_EOT = 49152, 32016, 32010


def llama_flags(folder: Folder, flags: dict[str, bool], ids: dict[str, int]) -> None:
    """What the script adds for llama and its family, by the size of the vocabulary too."""
    prefix = folder.tokenizer_config.get("add_prefix_space")
    if isinstance(prefix, bool):
        flags["add_space_prefix"] = prefix
    size = folder.config.get("vocab_size", 32000)
    if size == CODE_LLAMA_VOCAB:
        ids.setdefault("eot", CODE_LLAMA_EOT)
    if size == GRANITE_VOCAB:
        flags["add_bos"] = False
