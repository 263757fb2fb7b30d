"""Real vocabularies: the ids that llama.cpp's own test files give, its ids of the corpus, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend

from hub.errors import MissingFact
from hub.ir import Tokenizer
from hub_gguf._tokenizer import read_tokenizer
from hub_gguf.container import read_header
from hub_safetensors.tokenizer import lost_in_files, read_files, restore, write_files

Ids = list[list[int]]
SEPARATOR = "\n__ggml_vocab_test__\n"

# Vocabularies with .inp and .out files.
TESTED = (
    "bert-bge", "command-r", "deepseek-coder", "deepseek-llm", "falcon", "gemma-4", "gpt-2", "llama-bpe", "llama-spm",
    "mpt", "phi-3", "qwen2", "qwen35", "refact", "starcoder",
)  # fmt: skip
# Those without.
UNTESTED = ("baichuan", "nomic-bert-moe")
# Files older than tokenizer.ggml.pre: supported once --pre names the pre-tokenizer.
WITHOUT_PRE = ("aquila", "gpt-neox")
FAMILIES = {"phi-3": "phi3", "gemma-4": "gemma4", "llama-spm": "llama"}

# Where the models' own tokenizers and llama.cpp part, we follow the models.
DIFFERENT = {
    "bert-bge": {
        "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e": "llama.cpp drops vowel signs",
        "\u09ac\u09be\u0982\u09b2\u09be \u09ad\u09be\u09b7\u09be": "llama.cpp drops vowel signs",
        "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4": "llama.cpp keeps the first letter of a Korean syllable",
        "\ud55c\uad6d\uc5b4\u3068\u65e5\u672c\u8a9e\u548c\u4e2d\u6587": "the same",
        "1\ufe0f\u20e3 #\ufe0f\u20e3": "llama.cpp drops enclosing marks",
        "next\u0085line \u0085 \u0085\u0085x": "U+0085 is a control character in BERT, a space in llama.cpp",
        "x" * 101 + " y": "BERT knows no word of more than 100 characters",
    },
    "nomic-bert-moe": {"\u3131\u314f\u3134": "tokenizers normalizes by grapheme, SentencePiece by prefix"},
}


@pytest.fixture(scope="module")
def load(llama_vocabs: dict[str, Path]) -> Callable[[str], tuple[Tokenizer, dict[str, Any]]]:
    """A vocabulary with the config that goes with it; the pre-tokenizer stated where the file does not."""

    def of(name: str) -> tuple[Tokenizer, dict[str, Any]]:
        tokenizer = read_tokenizer(read_header(llama_vocabs[name]).plain)
        assert tokenizer is not None
        tokenizer = replace(tokenizer, pre="default") if name in WITHOUT_PRE else tokenizer
        return tokenizer, {"model_type": FAMILIES.get(name), "vocab_size": len(tokenizer)}

    return of


def backend_of(files: dict[str, bytes]) -> Any:
    return Backend.from_str(files["tokenizer.json"].decode())


def ids_of(backend: Any, texts: list[str]) -> Ids:
    return [backend.encode(text, add_special_tokens=False).ids for text in texts]


def test_every_vocabulary_is_listed(llama_vocabs: dict[str, Path]) -> None:
    assert set(llama_vocabs) == {*TESTED, *UNTESTED, *WITHOUT_PRE}
    with_tests = {name for name, path in llama_vocabs.items() if path.with_name(path.name + ".inp").is_file()}
    assert with_tests == set(TESTED)


@pytest.mark.parametrize("name", WITHOUT_PRE)
def test_a_vocabulary_without_a_pre_tokenizer_asks_for_it(llama_vocabs: dict[str, Path], name: str) -> None:
    tokenizer = read_tokenizer(read_header(llama_vocabs[name]).plain)
    assert tokenizer is not None
    with pytest.raises(MissingFact, match="--pre NAME"):
        write_files(tokenizer, {})


@pytest.mark.parametrize("name", [*TESTED, *UNTESTED, *WITHOUT_PRE])
def test_ids_are_llama_cpps_and_everything_comes_back(
    name: str,
    load: Callable[[str], tuple[Tokenizer, dict[str, Any]]],
    llama_vocabs: dict[str, Path],
    composed: list[str],
    golden: dict[str, dict[str, str]],
    digest: Callable[[Ids], str],
) -> None:
    tokenizer, config = load(name)
    files = write_files(tokenizer, config)
    backend = backend_of(files)
    if name in TESTED:
        texts, expected = _expected(llama_vocabs[name])
        assert ids_of(backend, texts) == expected
    alike = [text for text in composed if text not in DIFFERENT.get(name, {})]
    assert digest(ids_of(backend, alike)) == golden["vocabularies"][name]
    check_way_back(tokenizer, files, config)


def _expected(vocabulary: Path) -> tuple[list[str], Ids]:
    texts = vocabulary.with_name(vocabulary.name + ".inp").read_bytes().decode().split(SEPARATOR)
    lines = vocabulary.with_name(vocabulary.name + ".out").read_text().split("\n")
    ids = [[int(i) for i in line.split()] for line in lines]
    assert len(texts) in (len(ids), len(ids) - 1)
    assert len(texts) >= 46
    return texts, ids[: len(texts)]


def check_way_back(tokenizer: Tokenizer, files: dict[str, bytes], config: dict[str, Any]) -> None:
    left = json.loads(json.dumps(lost_in_files(tokenizer, files, config)))
    back = restore(read_files(files, config), left)
    for name in (field.name for field in fields(Tokenizer)):
        mine, theirs = getattr(tokenizer, name), getattr(back, name)
        is_list = name in ("tokens", "scores", "types", "merges") and mine is not None
        assert (list(theirs) == list(mine)) if is_list else theirs == mine, name
