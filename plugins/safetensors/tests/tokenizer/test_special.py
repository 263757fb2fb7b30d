"""Special ids, flags and templates, against gguf-py's own reading of the same folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hub_safetensors.tokenizer._folder import Folder
from hub_safetensors.tokenizer._special import NOT_WRITTEN, find_special

TOKENS = {"<s>": 0, "</s>": 1, "<pad>": 2, "[CLS]": 3, "[SEP]": 4, "<eot>": 5, "<unk>": 6}
A, B = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}


def special(token: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": 0}}


def template(single: list[Any], pair: list[Any] | None = None) -> dict[str, Any]:
    return {"type": "TemplateProcessing", "single": single, "pair": [A, B] if pair is None else pair}


CLS, SEP = special("[CLS]"), special("[SEP]")
BYTE_LEVEL = {"type": "ByteLevel"}
BOS = template([special("<s>"), A], [special("<s>"), A, special("<s>"), B])
PROCESSORS: dict[str, Any] = {
    "none": None,
    "byte level": BYTE_LEVEL,
    "bos": BOS,
    "eos": template([A, special("</s>")], [A, special("</s>"), B, special("</s>")]),
    "both": template([special("<s>"), A, special("</s>")], [special("<s>"), A, special("</s>"), B, special("</s>")]),
    "bert": template([CLS, A, SEP], [CLS, A, SEP, B, SEP]),
    "two separators": template([special("<s>"), A], [special("<s>"), A, special("</s>"), special("</s>"), B]),
    "another end": template([A, special("<eot>")]),
    "an unknown begin": template([special("<pad>"), A]),
    "nothing": template([A]),
    "sequence": {"type": "Sequence", "processors": [BYTE_LEVEL, BOS]},
    "roberta": {"type": "RobertaProcessing", "cls": ["[CLS]", 3], "sep": ["[SEP]", 4]},
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "none": None,
    "llama": {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": False},
    "objects": {"bos_token": {"content": "<s>"}, "eos_token": {"content": "</s>"}, "pad_token": {"content": "<pad>"}},
    "bert": {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "<pad>", "unk_token": "<unk>"},
    "eos only": {"eos_token": "</s>", "add_bos_token": False, "chat_template": "T"},
    "absent tokens": {"bos_token": "<none>", "eos_token": None, "unk_token": "<unk>"},
    "templates": {
        "eos_token": "</s>",
        "chat_template": [{"name": "default", "template": "D"}, {"name": "rag", "template": "R"}],
    },
}
IDS: tuple[dict[str, Any], ...] = (
    {},
    {"bos_token_id": 5, "eos_token_id": 1, "pad_token_id": 6},
    {"eos_token_id": [1, 5], "bos_token_id": None},
)


# What gguf-py finds, for folders on its standard input.
READER = """
import json, logging, sys
from gguf import SpecialVocab
logging.disable(logging.CRITICAL)
for line in sys.stdin:
    found = SpecialVocab(line.strip())
    print(json.dumps([found.special_token_ids, found.add_special_token, found.chat_template]))
"""


@pytest.fixture
def gguf_py(llama_vocabs: dict[str, Path]) -> Callable[[list[Path]], list[Any]]:
    """gguf-py as llama.cpp's sources carry it; the package of that name in the index is older."""
    sources = next(iter(llama_vocabs.values())).parent.parent / "gguf-py"
    if not sources.is_dir():
        pytest.skip("gguf-py is not beside the vocabularies")

    def read(folders: list[Path]) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-c", READER],
            input="".join(f"{folder}\n" for folder in folders),
            env={**os.environ, "PYTHONPATH": str(sources)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return read


def test_as_gguf_py_reads_them(gguf_py: Callable[[list[Path]], list[Any]], tmp_path: Path) -> None:
    combinations = [*product(PROCESSORS, CONFIGS, range(len(IDS)))]
    folders = [make_folder(tmp_path / str(n), *combination) for n, combination in enumerate(combinations)]
    for combination, folder, theirs in zip(combinations, folders, gguf_py(folders), strict=True):
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        ours = find_special(Folder(files, IDS[combination[2]]))
        ids, flags, templates = theirs
        assert ours.ids == {name: i for name, i in ids.items() if name not in NOT_WRITTEN}, combination
        assert ours.flags == {f"add_{name}": on for name, on in flags.items()}, combination
        assert as_list(ours.chat_template) == templates, combination


def make_folder(folder: Path, processor: str, stated: str, ids: int) -> Path:
    added = [{"id": i, "content": token, "special": True} for token, i in TOKENS.items()]
    documents: dict[str, Any] = {
        "tokenizer.json": {"added_tokens": added, "post_processor": PROCESSORS[processor], "model": {}},
        "tokenizer_config.json": CONFIGS[stated],
        "config.json": IDS[ids],
    }
    folder.mkdir()
    for name, value in documents.items():
        if value is not None:
            (folder / name).write_text(json.dumps(value))
    return folder


def as_list(templates: Any) -> Any:
    if isinstance(templates, dict):
        return [{"name": name, "template": text} for name, text in templates.items()]
    return templates


@pytest.mark.parametrize(
    ("processor", "stated", "ids", "flags"),
    [
        ("none", "llama", {"bos": 0, "eos": 1}, {"add_bos": True, "add_eos": False}),
        ("bos", "llama", {"bos": 0, "eos": 1}, {"add_bos": True, "add_eos": False, "add_sep": False}),
        ("byte level", "eos only", {"eos": 1}, {"add_bos": False, "add_eos": False}),
        (
            "bert",
            "bert",
            {"bos": 3, "eos": 4, "unk": 6, "sep": 4, "pad": 2},
            {"add_bos": True, "add_eos": True, "add_sep": False},
        ),
        ("another end", "eos only", {"eos": 5, "eot": 1}, {"add_bos": False, "add_eos": True}),
    ],
)
def test_ids_and_flags(processor: str, stated: str, ids: Any, flags: Any, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", processor, stated, 0)
    found = find_special(Folder({path.name: path.read_bytes() for path in folder.iterdir()}, {}))
    assert (found.ids, found.flags) == (ids, flags)


def find(files: dict[str, str], **tokenizer: Any) -> Any:
    documents = {"tokenizer_config.json": "{}", "tokenizer.json": json.dumps(tokenizer), **files}
    return find_special(Folder({name: text.encode() for name, text in documents.items()}, {}))


@pytest.mark.parametrize(
    ("normalizer", "flags"),
    [
        ({"type": "Lowercase"}, {"lowercase": True}),
        ({"type": "BertNormalizer", "lowercase": False, "strip_accents": None}, {"lowercase": False}),
        (
            {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
            {"strip_accents": True, "lowercase": True},
        ),
        ({"type": "NFC"}, {}),
        (None, {}),
    ],
)
def test_flags_of_the_normalizer(normalizer: Any, flags: dict[str, bool]) -> None:
    assert find({}, normalizer=normalizer).flags == flags


def test_templates_in_files_of_their_own() -> None:
    files = {"chat_template.jinja": "D\r\n", "additional_chat_templates/tool-use.jinja": "T"}
    assert find(files).chat_template == {"default": "D\n", "tool_use": "T"}
    assert find({"chat_template.jinja": "D"}).chat_template == "D"
    assert find({"chat_template.json": '{"chat_template": "J"}'}).chat_template == "J"


def test_what_tokenizer_config_says_comes_before_template_files() -> None:
    files = {"chat_template.jinja": "D", "tokenizer_config.json": '{"chat_template": "C"}'}
    assert find(files).chat_template == "C"


def test_ids_outside_the_vocabulary_are_left_out() -> None:
    assert find_special(Folder({}, {"bos_token_id": 9, "eos_token_id": 1}), 9).ids == {"eos": 1}


def test_ids_of_a_text_model_inside() -> None:
    assert find_special(Folder({}, {"text_config": {"eos_token_id": 7}})).ids == {"eos": 7}
