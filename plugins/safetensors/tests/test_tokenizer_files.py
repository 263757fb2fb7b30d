"""Tokenizers beside the weights: made where the source has no files, whole when read, believed when edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from hub.errors import MissingFact, UsageError
from hub.interface import Options
from hub.ir import Lazy, Model, Tokenizer, TokenType
from hub.pipeline.compare import compare_tokenizers
from hub_safetensors import SafeTensors

Make = Callable[..., Path]
FORMAT = SafeTensors()


@pytest.fixture
def tokenizer() -> Tokenizer:
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, "he", "ll", "hell", "hello", "<|end|>", "<|turn|>"]
    count = len(tokens)
    return Tokenizer(
        "bpe",
        tokens,
        types=[TokenType.NORMAL] * (count - 2) + [TokenType.CONTROL] * 2,
        merges=["h e", "l l", "he ll", "hell o"],
        pre="llama-bpe",
        special={"bos": count - 2, "eos": count - 2, "eot": count - 1},
        flags={"add_bos": True, "remove_extra_whitespaces": True},
        chat_template="{{ messages }}",
    )


@pytest.fixture
def model(folder: Path, tokenizer: Tokenizer) -> Model:
    """The llama as another format would give it: no files, a tokenizer."""
    read = FORMAT.read(folder)
    config = read.config.merged({"vocab_size": len(tokenizer)})
    return replace(read, files={}, source=Lazy[Any].of({}), tokenizer=Lazy[Any].of(tokenizer), config=config)


@pytest.mark.parametrize("name", ["made", "made.safetensors"])
def test_a_tokenizer_comes_back_whole(
    model: Model, tokenizer: Tokenizer, write: Make, tmp_path: Path, name: str
) -> None:
    back = FORMAT.read(write(model, tmp_path / name))
    assert compare_tokenizers(tokenizer, back.tokenizer.get()) == []
    assert dict(back.files) == {}
    assert dict(back.config) == dict(model.config)


def test_the_files_are_what_loaders_read(model: Model, write: Make, tmp_path: Path) -> None:
    path = write(model, tmp_path / "made")
    loaded = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
    end = 260
    assert loaded.token_to_id("<|end|>") == end
    assert loaded.encode("hello").tokens == ["<|end|>", "hello"]
    generation = json.loads((path / "generation_config.json").read_text())
    assert generation == {"bos_token_id": end, "eos_token_id": [end, end + 1]}


def test_an_edited_tokenizer_is_believed(model: Model, write: Make, tmp_path: Path) -> None:
    path = write(model, tmp_path / "made")
    document = json.loads((path / "tokenizer.json").read_text())
    document["model"]["merges"].pop()
    (path / "tokenizer.json").write_text(json.dumps(document))
    back = FORMAT.read(path)
    found = back.tokenizer.get()
    assert found is not None
    assert len(found.merges or ()) == 3
    assert "remove_extra_whitespaces" not in found.flags
    assert "tokenizer.json" in back.files


def test_a_pre_tokenizer_that_nobody_knows_must_be_named(
    model: Model, tokenizer: Tokenizer, write: Make, tmp_path: Path
) -> None:
    unknown = replace(model, tokenizer=Lazy[Any].of(replace(tokenizer, pre="unheard-of")))
    with pytest.raises(MissingFact, match="--pre"):
        FORMAT.plan(unknown, Options(folder=True))
    assert (write(unknown, tmp_path / "said", pre="llama-bpe") / "tokenizer.json").exists()


def test_a_pre_tokenizer_is_not_named_in_vain(model: Model, tokenizer: Tokenizer, write: Make, tmp_path: Path) -> None:
    options = Options(folder=True, pre="llama-bpe")
    with pytest.raises(UsageError, match="no byte-level BPE"):
        FORMAT.plan(replace(model, tokenizer=Lazy[Any].of(None)), options)
    document = (write(model, tmp_path / "made") / "tokenizer.json").read_bytes()
    verbatim = replace(model, files={"tokenizer.json": document}, tokenizer=Lazy[Any].of(tokenizer))
    with pytest.raises(UsageError, match=r"tokenizer\.json is written as the source has it"):
        FORMAT.plan(verbatim, options)
