"""Writing what was planned: weights files, and the documents beside them."""

from __future__ import annotations

from pathlib import Path

from hub.errors import PluginError, TargetExists
from hub.interface import Options, Plan, Sink
from hub_safetensors._companions import OWN
from hub_safetensors._documents import TOKENIZER_FILES
from hub_safetensors._planning import Layout
from hub_safetensors._record import NAME

# Documents that a loader would read although they belong to what a folder held before.
_READ_ALONG = {"config.json", "generation_config.json", "adapter_config.json", OWN, *TOKENIZER_FILES}


def write_plan(plan: Plan, sink: Sink, options: Options) -> None:
    """Write what `plan` says. `TargetExists` names every file of the folder that is in the way."""
    layout = plan.document
    if not isinstance(layout, Layout):
        raise PluginError("a plan of another format cannot be written", plugin=NAME)
    if options.folder:
        _check_folder(sink.target, layout, options)
    paths = [sink.create(file.name if options.folder else None) for file in layout.weights]
    for name, data in layout.files.items():
        sink.create(name).write_bytes(data)
    for path, file in zip(paths, layout.weights, strict=True):
        path.write_bytes(len(file.raw).to_bytes(8, "little") + file.raw)
        sink.copy(path, file.placements)


def _check_folder(folder: Path, layout: Layout, options: Options) -> None:
    """`TargetExists` when files would be replaced unasked, or when what the folder holds would be read along."""
    ours = {file.name for file in layout.weights} | set(layout.files)
    there = sorted(name for name in ours if (folder / name).exists())
    if there and not options.overwrite:
        raise TargetExists(f"holds {_listed(there)} already", file=folder, hint="--force replaces them")
    held = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    stale = {n for n in held - ours if n in _READ_ALONG or n.endswith((".safetensors", ".safetensors.index.json"))}
    if stale:
        message = f"holds {_listed(sorted(stale))} of another model, which would be read along with this one"
        raise TargetExists(message, file=folder, hint="remove them or choose another folder")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
