"""The canonical tokenizer of a Hugging Face folder, with the values that llama.cpp's conversion script would write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hub.errors import DamagedFile, HubError
from hub.ir import Tokenizer
from hub_safetensors.tokenizer._folder import Folder
from hub_safetensors.tokenizer._identify import steps
from hub_safetensors.tokenizer._read_spm import read_piece_model, read_scoreless
from hub_safetensors.tokenizer._read_unigram import read_unigram_json, read_unigram_model
from hub_safetensors.tokenizer._read_words import read_bpe, read_gemma4, read_wordpiece
from hub_safetensors.tokenizer._sentencepiece import parse
from hub_safetensors.tokenizer._without_json import with_tokenizer_json

PIECE_MODELS = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
# llama.cpp keeps this family's BPE with byte tokens as such; of others it makes SentencePiece's.
GEMMA4 = "gemma4"
SPM_MODEL_TYPE = 2


def read_files(files: Mapping[str, bytes], config: Mapping[str, Any], *, pre: str | None = None) -> Tokenizer | None:
    """The tokenizer in `files`, by name, of a folder whose config.json is `config`; None when there is none.

    `pre` names the pre-tokenizer where the files' own is not known to llama.cpp. Raises `DamagedFile` for files that
    contradict their format, `UnsupportedFile` for a vocabulary larger than the model's.
    """
    try:
        return _read_once(frozenset(files.items()), json.dumps(dict(config), sort_keys=True), pre)
    except HubError:
        raise
    except Exception as e:
        # JSON of any shape may stand where another is expected (a check for each place would be most of the code), and
        # the package tokenizers raises plain Exception.
        message = f"the tokenizer's files are not of the shape they should be: {type(e).__name__}: {e}"
        raise DamagedFile(message, file="tokenizer.json") from e


@lru_cache(maxsize=1)  # a writer looks at what it will have written, and the verification reads the same bytes again
def _read_once(files: frozenset[tuple[str, bytes]], config: str, pre: str | None) -> Tokenizer | None:
    return _read(Folder(dict(files), json.loads(config)), pre)


def _read(folder: Folder, pre: str | None) -> Tokenizer | None:
    folder = with_tokenizer_json(folder)
    name = next((name for name in PIECE_MODELS if name in folder.files), None)
    kind = folder.model.get("type")
    if name is not None and not _is_byte_level(folder):
        model = parse(folder.files[name], name)
        if model.model_type == SPM_MODEL_TYPE:
            return read_piece_model(folder, model)
        # XLM-RoBERTa's ids are not those of its model file.
        if name != "sentencepiece.bpe.model":
            return read_unigram_model(folder, model)
    if folder.tokenizer and not folder.model:
        raise DamagedFile("the tokenizer has no model, an object of that name was expected", file="tokenizer.json")
    if kind == "Unigram":
        return read_unigram_json(folder)
    if kind == "WordPiece":
        return read_wordpiece(folder, pre)
    return _read_bpe(folder, pre) if kind == "BPE" else None


def _read_bpe(folder: Folder, pre: str | None) -> Tokenizer:
    if _is_byte_level(folder) or pre is not None or not folder.model.get("byte_fallback"):
        return read_bpe(folder, pre)
    return read_gemma4(folder) if str(folder.family).startswith(GEMMA4) else read_scoreless(folder)


def _is_byte_level(folder: Folder) -> bool:
    """True for byte-level BPE: llama.cpp's script takes it whatever other file is there."""
    return any(
        step.get("type") == "ByteLevel" for step in steps(folder.tokenizer.get("pre_tokenizer"), "pretokenizers")
    )
