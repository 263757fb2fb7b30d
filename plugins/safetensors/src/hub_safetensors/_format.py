"""SafeTensors as a format of the hub. What reads and writes is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub.interface import BaseFormat, Capabilities, Finding, Options, Plan, Sink
from hub.ir import Model
from hub_safetensors.container import ALIGNMENT, DTYPES, is_index, plausible


class SafeTensors(BaseFormat):
    """A single `.safetensors` file, complete in itself, or a Hugging Face model folder.

    A target without extension, or an existing folder, is written as a folder: weights in one file or in shards
    (`shard_size`) with their index, and the documents beside them. A target that ends in `.safetensors` is one file
    with those documents in its `__metadata__`, under `hub.file.NAME` (text) or `hub.packed.NAME` (zlib in base64).
    """

    name = "safetensors"
    title = "SafeTensors"
    extensions: tuple[str, ...] = (".safetensors",)
    alignment: int | None = ALIGNMENT
    capabilities = Capabilities(encodings=frozenset(DTYPES), shards=True, folder=True)
    supports = frozenset({"shard_size", "pre", "overwrite", "folder"})

    def sniff(self, path: Path, head: bytes) -> bool:
        """True for a weights file, an index over several, or a folder with weights."""
        if path.is_dir():
            from hub_safetensors._locate import is_model_folder

            return is_model_folder(path)
        size = path.stat().st_size
        return plausible(head, size) or is_index(head, size)

    def read(self, path: Path) -> Model:
        """The model at `path`, canonical names, nothing decoded; see `hub.interface.Format.read`."""
        from hub_safetensors._reading import read_model

        return read_model(path)

    def reads(self, path: Path) -> list[Path]:
        """Every file that `read` looks into: weights, their index, and the documents beside them."""
        from hub_safetensors._reading import files_read

        return files_read(path)

    def plan(self, model: Model, options: Options) -> Plan:
        """What writing `model` as one file or as a folder would do."""
        from hub_safetensors._planning import make_plan

        return make_plan(model, options)

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """Write what `plan` says. `TargetExists` names every file of the folder that is in the way."""
        from hub_safetensors._writing import write_plan

        write_plan(plan, sink, options)

    def validate(self, path: Path) -> Iterator[Finding]:
        """Findings of the stages from magic to checksum. Alignment is 8; there is no checksum."""
        from hub_safetensors._validate import findings

        return findings(path)
