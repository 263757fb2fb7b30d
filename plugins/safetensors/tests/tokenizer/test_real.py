"""Real models: their own files, ours, llama.cpp and transformers must give the same ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend

from hub.ir import Tokenizer
from hub_gguf._tokenizer import read_tokenizer
from hub_gguf.container import read_header
from hub_safetensors.tokenizer import lost_in_files, read_files, write_files

Ids = list[list[int]]
CHAT = [
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4 \U0001f600"},
    {"role": "user", "content": "  And\n3 + 3?"},
]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".json", ".txt")}


def read_gguf(path: Path) -> Tokenizer:
    tokenizer = read_tokenizer(read_header(path).plain)
    assert tokenizer is not None
    return tokenizer


def ids_of(document: bytes, texts: list[str]) -> Ids:
    backend: Any = Backend.from_str(document.decode())
    backend.no_truncation()
    backend.no_padding()
    return [backend.encode(text).ids for text in texts]


def test_minilms_own_files_and_ours_give_the_same_ids(minilm: Path, corpus: list[str]) -> None:
    files = files_of(minilm)
    config = json.loads(files["config.json"])
    tokenizer = read_files(files, config)
    assert tokenizer is not None
    assert (tokenizer.kind, tokenizer.pre, len(tokenizer)) == ("wordpiece", "jina-v2-en", 30522)
    assert tokenizer.special == {"bos": 101, "eos": 102, "unk": 100, "sep": 102, "pad": 0, "mask": 103}
    ours = write_files(tokenizer, config)
    assert ids_of(ours["tokenizer.json"], corpus) == ids_of(files["tokenizer.json"], corpus)
    assert lost_in_files(tokenizer, ours, config) == {}


def test_minilms_vocabulary_alone_gives_the_same_tokenizer(minilm: Path) -> None:
    files = files_of(minilm)
    config = json.loads(files["config.json"])
    whole, alone = read_files(files, config), read_files({"vocab.txt": files["vocab.txt"]}, config)
    assert whole is not None
    assert alone is not None
    assert (list(alone.tokens), list(alone.types or ())) == (list(whole.tokens), list(whole.types or ()))


def test_smollm2_gives_llama_cpps_ids_and_comes_back(
    smollm2: Path, composed: list[str], golden: dict[str, dict[str, str]], digest: Callable[[Ids], str]
) -> None:
    tokenizer, config = read_gguf(smollm2), {"model_type": "llama", "vocab_size": 49152}
    files = write_files(tokenizer, config)
    assert digest(ids_of(files["tokenizer.json"], composed)) == golden["vocabularies"]["SmolLM2-135M-Instruct"]
    assert lost_in_files(tokenizer, files, config) == {}


@pytest.mark.oracle
@pytest.mark.filterwarnings("default")
def test_transformers_reads_smollm2_as_it_is(smollm2: Path, corpus: list[str], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
    tokenizer, config = read_gguf(smollm2), {"model_type": "llama", "vocab_size": 49152}
    files = write_files(tokenizer, config)
    for name, data in {**files, "config.json": json.dumps(config).encode()}.items():
        (tmp_path / name).write_bytes(data)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert [loaded.encode(text) for text in corpus] == ids_of(files["tokenizer.json"], corpus)
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id, loaded.unk_token_id) == (1, 2, 2, 0)
    assert len(loaded) == 49152
    rendered = jinja2.Template(tokenizer.chat_template, trim_blocks=True, lstrip_blocks=True).render(
        messages=CHAT, add_generation_prompt=True
    )
    assert loaded.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) == rendered


@pytest.mark.llama
def test_llama_cpp_gives_the_recorded_ids(
    smollm2: Path,
    composed: list[str],
    golden: dict[str, dict[str, str]],
    digest: Callable[[Ids], str],
    llama_ids: Callable[[Path, list[str]], Ids],
) -> None:
    assert digest(llama_ids(smollm2, composed)) == golden["vocabularies"]["SmolLM2-135M-Instruct"]
