"""One small tokenizer of each kind, as the notation writes it."""

from __future__ import annotations

from typing import Any

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}\u00e9"


def _bpe(pre: str) -> dict[str, Any]:
    alphabet = [chr(code) for code in range(ord("!"), ord("!") + 26)] + list("abcdelo\u0120\u010a\u00c3\u00a9")
    merges = ["l l", "h e", "\u0120 a", "\u00c3 \u00a9", "ll o", "\u0120a b"]
    alphabet += ["h"]
    tokens = [*alphabet, *(merge.replace(" ", "") for merge in merges)]
    types = [NORMAL] * len(tokens) + [CONTROL, CONTROL, USER, CONTROL]
    tokens += ["<|begin|>", "<|end|>", "<tool>", "<|turn|>"]
    at = {token: i for i, token in enumerate(tokens)}
    return {
        "kind": "bpe", "tokens": tokens, "types": types, "merges": merges, "pre": pre,
        "special": {"bos": at["<|begin|>"], "eos": at["<|end|>"], "pad": at["<|end|>"], "eot": at["<|turn|>"]},
        "flags": {"add_bos": True, "add_eos": False}, "chat_template": _TEMPLATE,
    }  # fmt: skip


def _spm() -> dict[str, Any]:
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    words = ["\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "\u00e9", "\u4e16"]
    tokens = ["<unk>", "<s>", "</s>", *bytes_, *words, "<start_of_turn>"]
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(words) + [USER]
    scores = [0.0] * 259 + [-float(i) - 0.5 for i in range(len(words))] + [-1000.0]
    return {
        "kind": "spm", "tokens": tokens, "scores": scores, "types": types,
        "special": {"bos": 1, "eos": 2, "unk": 0},
        "flags": {"add_bos": True, "add_eos": False, "add_space_prefix": True},
    }  # fmt: skip


def _unigram() -> dict[str, Any]:
    words = ["\u2581", "\u2581the", "s", "\u2581a", "t", "he", "\u00e9"]
    tokens = ["<pad>", "</s>", "<unk>", *words, "<extra_id_1>", "<extra_id_0>"]
    types = [CONTROL, CONTROL, UNKNOWN] + [NORMAL] * len(words) + [USER, USER]
    scores = [0.0, 0.0, 0.0] + [-2.0 - 0.25 * i for i in range(len(words))] + [0.0, 0.0]
    return {
        "kind": "unigram", "tokens": tokens, "scores": scores, "types": types,
        "special": {"pad": 0, "eos": 1, "unk": 2},
        "flags": {"add_bos": False, "add_eos": True, "add_space_prefix": True},
    }  # fmt: skip


def _wordpiece() -> dict[str, Any]:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "##ing", "\u4e16", "caf\u00e9", "!"]
    types = [CONTROL, UNKNOWN, CONTROL, CONTROL, CONTROL] + [NORMAL] * 7
    return {
        "kind": "wordpiece", "tokens": tokens, "types": types,
        "special": {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, "flags": {"lowercase": True},
        "token_type_count": 2,
    }  # fmt: skip


TOKENIZERS: dict[str, dict[str, Any]] = {
    "bpe": _bpe("llama-bpe"),
    "gpt2": _bpe("gpt-2"),
    "templates": {**_bpe("llama-bpe"), "chat_template": {"default": "{{ messages }}", "tool_use": "{{ tools }}"}},
    "spm": _spm(),
    "unigram": _unigram(),
    "wordpiece": _wordpiece(),
}
