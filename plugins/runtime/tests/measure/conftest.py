"""The tiny model with other weights, and documents of commands whose answer is no."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

import hub_runtime

SCHEMAS = Path(hub_runtime.__file__).parent / "schemas"

Array = NDArray[np.float32]
Edit = Callable[[Array], Any]
Edited = Callable[[str, Mapping[str, Edit]], Path]
Judged = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def _needs_llama(llama: None) -> None:
    """Nothing here measures without llama-cpp-python."""


@pytest.fixture(scope="session")
def edited(tiny: Path) -> Edited:
    """`edited(name, {tensor: change})`: a copy of the tiny model with changed weights."""

    def made(name: str, edits: Mapping[str, Edit]) -> Path:
        path = Path(shutil.copy(tiny, tiny.with_name(f"{name}.gguf")))
        reader = gguf.GGUFReader(path, "r+")
        for tensor in reader.tensors:
            if tensor.name in edits:
                tensor.data[...] = edits[tensor.name](np.array(tensor.data))
        reader.data.flush()
        return path

    return made


@pytest.fixture(scope="session")
def varied(edited: Edited) -> Path:
    """The tiny model with norm weights that are not all one."""
    random = np.random.default_rng(5)
    names = ("blk.0.attn_norm", "blk.0.ffn_norm", "blk.1.attn_norm", "blk.1.ffn_norm", "output_norm")
    return edited("varied", {f"{n}.weight": lambda w: w * random.uniform(0.5, 1.5, w.shape) for n in names})


def validated(text: str, name: str) -> Any:
    """The JSON document in `text`, held against the schema `name`."""
    found = json.loads(text)
    assert found["schema"] == f"hub.{name}/1"
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


@pytest.fixture(scope="session")
def read_document() -> Callable[[str, str], Any]:
    """Reads the document in a text and holds it against its schema."""
    return validated


@pytest.fixture
def judged(hub: Callable[..., Any]) -> Judged:
    """`judged(name, *args)`: exit code, 0 or 1, and document of a command; its text mode exits alike."""

    def ran(name: str, *args: object) -> tuple[int, Any]:
        text, found = hub(name, *args), hub(name, *args, "--json")
        assert found.code in (0, 1), found
        assert text.code == found.code, text
        return found.code, validated(found.out, name)

    return ran
