"""Where a model's signature lies, and which files a reader looks into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hub.errors import BadSignature, HubError, UsageError

INSIDE = "model.sig"
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.[^.]+)")


@runtime_checkable
class Reads(Protocol):
    """A format that can say which files it looks into, where that is more than those of the tensors."""

    def reads(self, path: Path) -> Sequence[Path]:
        """Every file that `read(path)` may look into, those of the tensors included."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is verified: its `signature`, and the folder `root` that names are relative to.

    `whole` when nothing but the signed files may lie in the root: the model is the folder, or was signed as one.
    """

    model: Path
    signature: Path
    root: Path
    whole: bool


def usual_signature(model: Path) -> Path:
    """Where the signature of `model` is written: model.sig inside a folder, FILE.sig beside a file."""
    return model / INSIDE if model.is_dir() else model.with_name(f"{model.name}.sig")


def find_signature(model: Path, signature: Path | None = None) -> Place:
    """The place of `model`; `signature` is where it is said to be.

    Else it is looked for at: model.sig inside a folder, or FOLDER.sig beside it; FILE.sig beside a file, the first
    shard's for one of many, then model.sig in the file's folder. `BadSignature` when none is there.
    """
    if not model.exists():
        raise UsageError("no such file or folder", file=model)
    if signature is not None:
        if not signature.is_file():
            raise UsageError("no such signature", file=signature)
        return _place(model, signature)
    for candidate in _candidates(model):
        if candidate.is_file():
            return _place(model, candidate)
    looked = " or ".join(dict.fromkeys(c.name for c in _candidates(model)))
    raise BadSignature(f"is not signed: there is no {looked}", file=model)


def _place(model: Path, signature: Path) -> Place:
    if model.is_dir():
        return Place(model, signature, model, whole=True)
    inside = signature.name == INSIDE and signature.parent == model.parent
    return Place(model, signature, model.parent, whole=inside)


def _candidates(model: Path) -> list[Path]:
    beside = model.absolute().with_name(f"{model.absolute().name}.sig")
    if model.is_dir():
        return [model / INSIDE, beside]
    found = [beside]
    shard = _SHARD.fullmatch(model.name)
    if shard:
        found += [model.with_name(f"{shard[1]}-{no:05}-of-{shard[3]}{shard[4]}.sig") for no in (0, 1)]
    return [*found, model.parent / INSIDE]


def files_read(model: Path) -> set[Path]:
    """Every file that the plugin for `model` looks into; `model` alone where no plugin can read it."""
    from hub.inspection import stored_files
    from hub.plugins import registry

    try:
        found = registry().find(model)
        read = set(found.reads(model)) if isinstance(found, Reads) else stored_files(found.read(model))
    except HubError:  # whoever loads it is told why
        read = set()
    return read if model.is_dir() else read | {model}
