"""Which files a model is made of: the weights in order, their index, and the folder around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DamagedFile, UnsupportedFile
from hub_safetensors._companions import read_small
from hub_safetensors._json import read_object
from hub_safetensors.container import is_index

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_OTHERS = {".h5": "TensorFlow", ".msgpack": "Flax", ".gguf": "GGUF", ".onnx": "ONNX"}
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors\Z")


@dataclass(frozen=True, slots=True)
class Located:
    """The `weights` files of a model in order, the `index` over them, and the `folder` whose documents belong."""

    weights: tuple[Path, ...]
    index: Path | None = None
    folder: Path | None = None


def is_model_folder(path: Path) -> bool:
    """True for a folder with SafeTensors weights, or with a config.json beside weights of any kind."""
    return any(path.glob(f"*{SUFFIX}")) or (path / INDEX).is_file() or _has_config_and_weights(path)


def locate(path: Path) -> Located:
    """What the model at `path` (a folder, a weights file, an index) is made of.

    A single file that is not what its folder's model is made of stands alone: nothing beside it is looked at.
    """
    if path.is_dir():
        return _in_folder(path)
    if is_index(_head(path), path.stat().st_size):
        return Located(_indexed(path), path, path.parent)
    if (path.parent / "config.json").is_file() and path.suffix == SUFFIX:
        whole = _try_folder(path.parent)
        if whole is not None and path in whole.weights:
            return whole
    return Located((path,))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _try_folder(folder: Path) -> Located | None:
    if (folder / WEIGHTS).is_file():
        return Located((folder / WEIGHTS,), None, folder)
    return Located(_indexed(folder / INDEX), folder / INDEX, folder) if (folder / INDEX).is_file() else None


def _in_folder(folder: Path) -> Located:
    found = _try_folder(folder)
    if found is not None:
        return found
    weights = sorted(p for p in folder.glob(f"*{SUFFIX}") if p.is_file())
    if (folder / "adapter_config.json").is_file() and not any(_SHARD.match(p.name) for p in weights):
        raise UnsupportedFile("an adapter, not a whole model", file=folder, hint="merge it into its base model first")
    if not weights:
        raise _no_weights(folder)
    if len(weights) > 1 or _SHARD.match(weights[0].name):
        weights = _all_shards(folder, weights)
    return Located(tuple(weights), None, folder)


def _all_shards(folder: Path, weights: list[Path]) -> list[Path]:
    """The shards among `weights` when they are one complete set without an index."""
    matches = [_SHARD.match(p.name) for p in weights]
    sets = {m.group(1, 3) for m in matches if m}
    if len(sets) != 1 or not all(matches):
        names = ", ".join(p.name for p in weights[:4]) + (", ..." if len(weights) > 4 else "")
        raise UnsupportedFile(
            f"{len(weights)} weights files and no {INDEX}: {names}", file=folder, hint="name one of them"
        )
    stem, count = sets.pop()
    wanted = [f"{stem}-{i:05}-of-{count}{SUFFIX}" for i in range(1, int(count) + 1)]
    _require(folder, wanted)
    return [folder / name for name in wanted]


def _indexed(index: Path) -> tuple[Path, ...]:
    weight_map = read_index(index)
    names = list(dict.fromkeys(weight_map.values()))
    for name in names:
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise DamagedFile(f"weight_map names {name[:80]!r}; a file beside the index was expected", file=index)
    _require(index.parent, sorted(names), index)
    return tuple(index.parent / name for name in sorted(names))


def read_index(index: Path) -> dict[str, str]:
    """The index's weight_map, tensor -> file; `DamagedFile` when it is not one."""
    weight_map = read_object(read_small(index), index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        raise DamagedFile("a weight_map of tensor names to file names was expected", file=index)
    return weight_map


def _require(folder: Path, names: list[str], index: Path | None = None) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise DamagedFile(f"{len(missing)} of {len(names)} shards are missing: {shown}", file=index or folder)


def _no_weights(folder: Path) -> UnsupportedFile:
    files = [p for p in folder.iterdir() if p.is_file()]
    pickles = sorted(p.name for p in files if p.suffix in _PICKLES and not p.name.startswith("training_args"))
    if pickles:
        return UnsupportedFile(
            f"holds its weights as a pickle only ({pickles[0]}); pickles can run code and are never read",
            file=folder,
            hint="save the model again with safe serialization",
        )
    others = sorted({_OTHERS[p.suffix] for p in files if p.suffix in _OTHERS})
    what = f"its weights are {' and '.join(others)} files" if others else "it has no weights at all"
    return UnsupportedFile(f"{WEIGHTS} or {INDEX} was expected; {what}", file=folder)


def _has_config_and_weights(path: Path) -> bool:
    return (path / "config.json").is_file() and any(p.suffix in _PICKLES | {".h5", ".msgpack"} for p in path.iterdir())
