"""Which files of a place are the model that is wanted, decided from their names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from hub.errors import DamagedFile, HubError, UnsupportedFile, UsageError
from hub.plugins import registry
from hub.recipes import RECIPES
from hub_sources._quantizations import USUAL, normal, quantizations
from hub_sources._shards import shards, whole
from hub_sources.interface import Wish

_ASIDE = re.compile(r"(^|[-._/])(mmproj|imatrix)", re.IGNORECASE)  # lie beside models, and are none
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_SIGNED = "model.sig"
_GIT = {".git", ".gitattributes", ".github", ".gitignore"}  # no signature is of these, and the Hub makes the second
_BESIDE = (".sig", ".provenance.jsonl")
# Beside SafeTensors lies what reads the text, builds the network and tells people about it.
_COMPANIONS = re.compile(
    r"(\d+_\w+/)?([^/]+\.(json|jinja|txt|model|md|tiktoken|spm|vocab|bpe)|(LICENSE|NOTICE|USE_POLICY|COPYING)[^/]*)",
    re.IGNORECASE,
)
_NEEDED = {
    "config.json": {"config.json"},
    "tokenizer": {
        "tokenizer.json",
        "tokenizer.model",
        "vocab.json",
        "vocab.txt",
        "spiece.model",
        "tokenizer_config.json",
    },
}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Model:
    """One model among the files: `files` in order, the first being the one to open; `format` reads it."""

    format: str
    files: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def main(self) -> str:
        """The file that names the model."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that was chosen and all files that come with it.

    `folder` when they are a model together, in a folder; `root` is what their names lose in front.
    """

    main: str
    files: tuple[str, ...]
    folder: bool
    encode: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def root(self) -> str:
        """The folder that the main file lies in, with a slash, or nothing."""
        return self.main[: self.main.rfind("/") + 1]


def choose(names: Iterable[str], wish: Wish, inside: str | None, where: str) -> Choice:
    """The model among the files `names` of `where`; `inside` is the one file that was asked for.

    `HubError` when there is none, or when there are several and nothing says which; it lists them.
    """
    names = sorted(names)
    _check_safe(names, where)
    models = _models(names)
    encode: str | None = None
    notes: tuple[str, ...] = ()
    if inside is not None:
        model = _asked(names, models, inside, wish, where)
    elif not models:
        raise _nothing(names, where)
    elif wish.quantization is not None:
        model, encode = _quantized(models, wish, where)
    else:
        model, notes = _usual(models, wish, where)
    if model.missing:
        raise DamagedFile(f"{len(model.missing)} parts of the model are not there: {_list(model.missing)}", file=where)
    choice = _with_companions(model, names)
    return replace(choice, encode=encode, notes=notes + choice.notes)


def _check_safe(names: Sequence[str], where: str) -> None:
    for name in names:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
            raise UnsupportedFile(f"lists a file named {name!r}, which would lie outside its folder", file=where)


def _models(names: Sequence[str]) -> list[Model]:
    """Every model among the files; the shards of one are one."""
    formats = {e: f for f in registry().formats.values() for e in f.extensions}
    found: dict[str, Model] = {}
    there = set(names)
    for name in names:
        reader = formats.get(PurePosixPath(name).suffix.lower())
        if reader is None or _ASIDE.search(name) or (reader.capabilities.folder and "/" in name):
            continue
        if whole(name) not in found:
            parts = shards(name) or [name]
            here, gone = [p for p in parts if p in there], [p for p in parts if p not in there]
            found[whole(name)] = Model(reader.name, tuple(here), tuple(gone))
    return list(found.values())


def _asked(names: Sequence[str], models: Sequence[Model], inside: str, wish: Wish, where: str) -> Model:
    """The model that the file `inside` belongs to."""
    if wish.quantization is not None:
        raise UsageError("--quantization has no effect on an address that names a file", file=where)
    if inside not in names:
        near = get_close_matches(inside, names, 5, 0.5) or names
        raise UsageError(f"has no file {inside!r}", file=where, hint=f"it has {_list(near)}")
    if inside.lower().endswith(_PICKLES):
        raise _pickle([inside], where)
    own = next((m for m in models if inside in m.files), None)
    if own is not None:
        return own
    reader = registry().by_extension(_local(inside)) if PurePosixPath(inside).suffix else None
    if reader is None:
        raise UnsupportedFile(f"{inside!r} is no model that an installed plugin reads", file=where)
    return Model(reader.name, (inside,))


def _quantized(models: Sequence[Model], wish: Wish, where: str) -> tuple[Model, str | None]:
    """The one model of the quantization that is wished; or the original, and the recipe to encode it by."""
    wanted = normal(wish.quantization or "")
    fitting = [m for m in models if wanted in quantizations(m.main)]
    if len(fitting) == 1:
        return fitting[0], None
    if fitting:
        raise UsageError(
            f"{len(fitting)} models are {wanted}: {_list(m.main for m in fitting)}", file=where, hint=_NAME
        )
    original = _folders(models)
    if len(original) == 1 and wanted in RECIPES and wish.encodes:
        return original[0], wanted
    hint = f"hub import makes one: -o NAME.gguf --quantization {wanted}" if original and wanted in RECIPES else None
    there = {q: None for m in models for q in quantizations(m.main)}
    raise UsageError(f"has no {wanted}; it has {_list(there or [m.main for m in models])}", file=where, hint=hint)


_NAME = "name one of them: ADDRESS/FILE"


def _usual(models: Sequence[Model], wish: Wish, where: str) -> tuple[Model, tuple[str, ...]]:
    """The one to take when nothing was said: of the target's format, the original, or the usual quantization."""
    some = [m for m in models if m.format == wish.format] or _folders(models) or list(models)
    some = _folders(some) or some
    if len(some) == 1:
        return some[0], ()
    usual = [m for m in some if USUAL in quantizations(m.main)]
    if len(usual) == 1:
        note = f"{usual[0].main} is one of {len(some)}; --quantization chooses another: "
        return usual[0], (note + _list({q: None for m in some for q in quantizations(m.main)}),)
    raise UsageError(f"has {len(some)} models: {_list(m.main for m in some)}", file=where, hint=_NAME)


def _folders(models: Sequence[Model]) -> list[Model]:
    """Models whose format keeps them in folders; the one that is called model, when there is one."""
    own = [m for m in models if registry().formats[m.format].capabilities.folder]
    return [m for m in own if PurePosixPath(m.main).name.startswith("model")][:1] or own


def _with_companions(model: Model, names: Sequence[str]) -> Choice:
    """The model with everything that belongs to it."""
    here = model.main[: model.main.rfind("/") + 1]
    beside = {n.removeprefix(here): n for n in names if n.startswith(here)}
    folder = registry().formats[model.format].capabilities.folder
    if not folder:
        attested = [n for f in model.files for n in names if n in {f + end for end in _BESIDE}]
        note = f"{_SIGNED} signs all files together and does not come with one of them" if _SIGNED in beside else ""
        return Choice(model.main, (*model.files, *attested), False, notes=(note,) if note and not attested else ())
    if _SIGNED in beside:  # it holds for all files or for none
        signed = {short: n for short, n in beside.items() if short.split("/")[0] not in _GIT}
        note = f"{_SIGNED} signs {len(signed) - 1} files, so all of them come"
        return Choice(model.main, tuple(signed.values()), True, notes=(note,))
    index = f"{whole(model.main)}.index.json"
    companions = [n for short, n in beside.items() if _is_companion(short, n == index)]
    lacking = [what for what, any_of in _NEEDED.items() if any_of.isdisjoint(beside)]
    notes = (f"there is no {' and no '.join(lacking)} beside the weights",) if lacking else ()
    return Choice(model.main, tuple(dict.fromkeys((*model.files, *companions))), True, notes=notes)


def _is_companion(name: str, index: bool) -> bool:
    """True for what belongs to every model of a folder; the index of shards belongs to the one."""
    if "/" not in name and name.endswith(_BESIDE):
        return True
    return bool(_COMPANIONS.fullmatch(name)) and (index or not name.endswith(".index.json"))


def _nothing(names: Sequence[str], where: str) -> HubError:
    pickles = [n for n in names if n.lower().endswith(_PICKLES)]
    if pickles:
        return _pickle(pickles, where)
    return UnsupportedFile(
        f"holds no model that an installed plugin reads, but {_list(names) or 'no file'}", file=where
    )


def _pickle(pickles: Sequence[str], where: str) -> HubError:
    return UnsupportedFile(
        f"holds its weights as pickle only ({_list(pickles)}), which can run code and is never read",
        file=where,
        hint="ask its owner for SafeTensors; a converted copy may lie under @refs/pr/N",
    )


def _local(name: str) -> Path:
    return Path(PurePosixPath(name).name)


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
