"""SafeTensors as a format of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub.errors import PluginError, TargetExists
from hub.interface import BaseFormat, Capabilities, Finding, Options, Plan, Sink
from hub.ir import Model
from hub_safetensors._companions import OWN
from hub_safetensors._documents import TOKENIZER_FILES
from hub_safetensors._locate import is_index, is_model_folder
from hub_safetensors._planning import Layout, make_plan
from hub_safetensors._reading import TITLE, files_read, read_model
from hub_safetensors._record import NAME
from hub_safetensors._validate import ALIGNMENT, findings
from hub_safetensors.container import DTYPES, plausible

# Documents that a loader would read although they belong to what a folder held before.
_READ_ALONG = {"config.json", "generation_config.json", "adapter_config.json", OWN, *TOKENIZER_FILES}


class SafeTensors(BaseFormat):
    """A single `.safetensors` file, complete in itself, or a Hugging Face model folder.

    A target without extension, or an existing folder, is written as a folder: weights in one file or in shards
    (`shard_size`) with their index, and the documents beside them. A target that ends in `.safetensors` is one file
    with those documents in its `__metadata__`, under `hub.file.NAME` (text) or `hub.packed.NAME` (zlib in base64).
    """

    name = NAME
    title = TITLE
    extensions: tuple[str, ...] = (".safetensors",)
    alignment: int | None = ALIGNMENT
    capabilities = Capabilities(encodings=frozenset(DTYPES), shards=True, folder=True)
    supports = frozenset({"shard_size", "pre", "overwrite", "folder"})

    def sniff(self, path: Path, head: bytes) -> bool:
        """True for a weights file, an index over several, or a folder with weights."""
        if path.is_dir():
            return is_model_folder(path)
        size = path.stat().st_size
        return plausible(head, size) or is_index(head, size)

    def read(self, path: Path) -> Model:
        """The model at `path`, canonical names, nothing decoded; see `hub.interface.Format.read`."""
        return read_model(path)

    def reads(self, path: Path) -> list[Path]:
        """Every file that `read` looks into: weights, their index, and the documents beside them."""
        return files_read(path)

    def plan(self, model: Model, options: Options) -> Plan:
        """What writing `model` as one file or as a folder would do."""
        return make_plan(model, options)

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
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

    def validate(self, path: Path) -> Iterator[Finding]:
        """Findings of the stages from magic to checksum. Alignment is 8; there is no checksum."""
        return findings(path)


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
