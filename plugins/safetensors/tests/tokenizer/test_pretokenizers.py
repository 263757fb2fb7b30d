from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend

from hub.errors import MissingFact
from hub.ir import Tokenizer
from hub_gguf._tokenizer import tokenizer_keys
from hub_gguf.container import Value, ValueType, layout
from hub_safetensors.tokenizer import PRE_TOKENIZERS, write_files

# The names in llama.cpp's src/llama-vocab.cpp of llama-cpp-python 0.3.36.
NAMES = [
    "a.x-4.0", "afmoe", "bailingmoe", "bailingmoe2", "bloom", "chameleon", "chatglm-bpe", "codeshell", "cohere2moe",
    "command-r", "dbrx", "deepseek-coder", "deepseek-llm", "deepseek-r1-qwen", "deepseek-v3", "default", "exaone",
    "exaone-moe", "exaone4", "f2llmv2", "falcon", "falcon-h1", "falcon3", "gemma4", "gigachat", "glm4", "glm5", "gpt-2",
    "gpt-4o", "gpt3-finnish", "granite-docling", "granite-embed-multi-311m", "granite-embed-multi-97m", "grok-2",
    "hunyuan", "hunyuan-dense", "hy_v4", "jais", "jais-2", "jina-de", "jina-es", "jina-v1-en", "jina-v2-code",
    "jina-v2-de", "jina-v2-es", "jina-v5-nano", "joyai-llm", "kanana2", "kimi-k2", "kormo", "laguna", "lfm2",
    "llada-moe", "llama-bpe", "llama-v3", "llama3", "llama4", "megrez", "mellum", "mellum2", "midm-2.0", "minerva-7b",
    "minicpm5", "minimax-m2", "modern-bert", "mpt", "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35",
    "refact", "roberta-bpe", "sarvam-moe", "seed-coder", "smaug-bpe", "smollm", "solar-open", "spark2_5", "stablelm2",
    "starcoder", "superbpe", "talkie", "tekken", "tiny_aya", "trillion", "ufakzeka", "viking", "whitespace", "youtu",
]  # fmt: skip

Ids = list[list[int]]


def ids_of(tokenizer: Tokenizer, texts: list[str]) -> Ids:
    backend: Any = Backend.from_str(write_files(tokenizer, {})["tokenizer.json"].decode())
    return [backend.encode(text, add_special_tokens=False).ids for text in texts]


def test_there_are_91_names() -> None:
    assert len(NAMES) == len(set(NAMES)) == 91
    assert set(PRE_TOKENIZERS) == set(NAMES)


def test_the_names_are_those_in_the_source(llama_vocabs: dict[str, Path]) -> None:
    source = next(iter(llama_vocabs.values())).parent.parent / "src" / "llama-vocab.cpp"
    if not source.is_file():
        pytest.skip("llama.cpp's llama-vocab.cpp is not beside the vocabularies")
    assert set(re.findall(r'tokenizer_pre == "([^"]+)"', source.read_text())) == set(PRE_TOKENIZERS)


@pytest.mark.parametrize("name", NAMES)
def test_text_is_split_as_llama_cpp_splits_it(
    name: str,
    pairs: Callable[[str], Tokenizer],
    composed: list[str],
    golden: dict[str, dict[str, str]],
    digest: Callable[[Ids], str],
) -> None:
    assert digest(ids_of(pairs(name), composed)) == golden["pre-tokenizers"][name]


@pytest.mark.llama
@pytest.mark.parametrize("name", NAMES)
def test_llama_cpp_gives_the_recorded_ids(
    name: str,
    pairs: Callable[[str], Tokenizer],
    composed: list[str],
    golden: dict[str, dict[str, str]],
    digest: Callable[[Ids], str],
    llama_ids: Callable[[Path, list[str]], Ids],
    tmp_path: Path,
) -> None:
    tokenizer = pairs(name)
    keys = {"general.architecture": Value(ValueType.STRING, "llama")} | tokenizer_keys(tokenizer)
    path = tmp_path / "vocab.gguf"
    path.write_bytes(layout(keys, []).header)
    theirs = llama_ids(path, composed)
    assert ids_of(tokenizer, composed) == theirs
    assert digest(theirs) == golden["pre-tokenizers"][name]


def test_rules_that_differ_are_told_apart_by_the_pairs(golden: dict[str, dict[str, str]]) -> None:
    """What makes the hashes worth comparing: rules that split differently give other ids."""
    rules = {name: (r.splits, r.byte_level, r.space) for name, r in PRE_TOKENIZERS.items()}
    by_rule: dict[Any, set[str]] = {}
    for name, rule in rules.items():
        by_rule.setdefault(rule, set()).add(golden["pre-tokenizers"][name])
    assert all(len(hashes) == 1 for hashes in by_rule.values())
    same = {golden["pre-tokenizers"][name] for name in ("qwen2", "bailingmoe")}
    assert len(same) == 1, "written differently, these two match the same text"
    assert len(set(golden["pre-tokenizers"].values())) == len(by_rule) - 1


@pytest.mark.parametrize(("pre", "named"), [("no-such", "'no-such'"), (None, "does not say")])
def test_an_unknown_name_is_an_error_that_says_what_to_do(pre: str | None, named: str) -> None:
    with pytest.raises(MissingFact, match=f"{named}.*--pre NAME"):
        write_files(Tokenizer("bpe", ["a"], merges=[], pre=pre), {})
