from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from hub.errors import DamagedFile
from hub.ir import Tokenizer
from hub_gguf._tokenizer import read_tokenizer, tokenizer_keys, unread_tokenizer
from hub_gguf.container import Value, read_header

VOCABS = (
    "aquila", "baichuan", "bert-bge", "command-r", "deepseek-coder", "deepseek-llm", "falcon", "gemma-4", "gpt-2",
    "gpt-neox", "llama-bpe", "llama-spm", "mpt", "nomic-bert-moe", "phi-3", "qwen2", "qwen35", "refact", "starcoder",
)  # fmt: skip

BPE: dict[str, Any] = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": ["a", "b", "ab", "<|x|>"],
    "tokenizer.ggml.token_type": [1, 1, 1, 3],
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 3,
    "tokenizer.ggml.seperator_token_id": 3,
    "tokenizer.ggml.add_bos_token": False,
}
WORDPIECE: dict[str, Any] = {
    "tokenizer.ggml.token_type_count": 2,
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": ["[CLS]", "\u2581un", "able", "\u2581\u2581", "\u2581#", "#"],
    "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1],
}


def keys_of(tokenizer: Tokenizer) -> dict[str, Any]:
    return {key: value.plain for key, value in tokenizer_keys(tokenizer).items()}


def read(kv: dict[str, Any]) -> Tokenizer:
    tokenizer = read_tokenizer(kv)
    assert tokenizer is not None
    return tokenizer


def is_about_tokens(key: str) -> bool:
    return key.startswith("tokenizer.")


def test_bpe_keys_have_canonical_names() -> None:
    tokenizer = read(BPE)
    assert (tokenizer.kind, tokenizer.pre) == ("bpe", "qwen2")
    assert tokenizer.special == {"bos": 3, "sep": 3}
    assert tokenizer.flags == {"add_bos": False}
    assert keys_of(tokenizer) == BPE


def test_wordpiece_continuations_are_as_hugging_face_writes_them() -> None:
    tokenizer = read(WORDPIECE)
    assert list(tokenizer.tokens) == ["[CLS]", "un", "##able", "\u2581", "#", "###"]
    assert tokenizer.token_type_count == 2
    assert keys_of(tokenizer) == WORDPIECE


def test_wordpiece_without_types_keeps_its_special_tokens() -> None:
    kv = {k: v for k, v in WORDPIECE.items() if not k.endswith("token_type")} | {"tokenizer.ggml.cls_token_id": 0}
    assert read(kv).tokens[0] == "[CLS]"
    assert keys_of(read(kv)) == kv


@pytest.mark.parametrize("model", ["no_vocab", "none", None])
def test_no_vocabulary_is_no_tokenizer(model: str | None) -> None:
    assert read_tokenizer({} if model is None else {"tokenizer.ggml.model": model}) is None


def test_a_kind_without_a_canonical_form_is_left_out_aloud() -> None:
    kv = {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": []}
    assert read_tokenizer(kv) is None
    assert "'rwkv'" in str(unread_tokenizer(kv))
    assert unread_tokenizer(BPE) is unread_tokenizer({}) is unread_tokenizer({"tokenizer.ggml.model": "none"}) is None


@pytest.mark.parametrize("key", ["scores", "token_type"])
def test_arrays_of_unequal_length_are_damage(key: str) -> None:
    with pytest.raises(DamagedFile, match=f"{key} has 1 elements"):
        read_tokenizer(BPE | {f"tokenizer.ggml.{key}": [1]})


def test_tokens_must_be_there() -> None:
    with pytest.raises(DamagedFile, match=r"no tokenizer\.ggml\.tokens"):
        read_tokenizer({"tokenizer.ggml.model": "gpt2"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ggml.tokens", 7),
        ("ggml.tokens", "abcd"),
        ("ggml.token_type", {"a": 1}),
        ("ggml.merges", 1.5),
        ("ggml.pre", 5),
        ("ggml.bos_token_id", "3"),
        ("ggml.bos_token_id", True),
        ("ggml.add_bos_token", 1),
        ("chat_template", 5),
        ("chat_template.rag", ["x"]),
    ],
)
def test_values_of_the_wrong_type_are_damage(key: str, value: Any) -> None:
    with pytest.raises(DamagedFile, match=f"tokenizer.{key} is"):
        read_tokenizer(BPE | {f"tokenizer.{key}": value})


def test_arrays_of_the_wrong_type_are_damage(write_gguf: Callable[..., Path]) -> None:
    def fill(writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_array("tokenizer.ggml.tokens", [1, 2])

    with pytest.raises(DamagedFile, match=r"tokenizer\.ggml\.tokens is not an array"):
        read_tokenizer(read_header(write_gguf(fill=fill)).plain)


def test_chat_templates_by_name() -> None:
    kv = BPE | {
        "tokenizer.chat_template.rag": "R",
        "tokenizer.chat_template.tool_use": "T",
        "tokenizer.chat_templates": ["tool_use", "rag"],
        "tokenizer.chat_template": "D",
    }
    assert read(kv).chat_template == {"default": "D", "tool_use": "T", "rag": "R"}
    assert keys_of(read(kv)) == kv


def test_older_keys_for_infilling_are_read() -> None:
    kv = BPE | {"tokenizer.ggml.prefix_token_id": 1, "tokenizer.ggml.middle_token_id": 2}
    assert read(kv).special == {"fim_pre": 1, "fim_mid": 2, "bos": 3, "sep": 3}


def test_signed_bytes_of_a_charsmap() -> None:
    kv = BPE | {"tokenizer.ggml.model": "t5", "tokenizer.ggml.precompiled_charsmap": [-1, 0, 127]}
    assert read(kv).charsmap == b"\xff\x00\x7f"


def test_arrays_stay_lazy() -> None:
    class Unread(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("decoded")

    kv = BPE | {k: Unread(v) for k, v in BPE.items() if isinstance(v, list)}
    tokenizer_keys(read(kv))


@pytest.mark.parametrize("name", VOCABS)
def test_llama_cpp_vocabularies_come_back_key_for_key(llama_vocabs: dict[str, Path], name: str) -> None:
    check_inverse(read_header(llama_vocabs[name]).keys)


def test_the_list_of_vocabularies_is_complete(llama_vocabs: dict[str, Path]) -> None:
    assert set(VOCABS) == set(llama_vocabs)


def check_inverse(keys: Mapping[str, Value]) -> None:
    about = {key: value for key, value in keys.items() if is_about_tokens(key)}
    back = tokenizer_keys(read({key: value.plain for key, value in about.items()}))
    assert set(back) == set(about)
    for key, value in about.items():
        assert (back[key].type, back[key].item) == (value.type, value.item), key
        assert back[key].data == value.data if value.item is None else list(back[key].data) == list(value.data), key
