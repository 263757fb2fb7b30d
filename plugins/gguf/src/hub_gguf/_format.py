"""The format "gguf" as hub sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.embedded import MAGIC as EMBEDDED
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Finding, Format, Magic, Options, Plan, Sink
from hub.ir import Model, Tensor
from hub_gguf.container import DEFAULT_ALIGNMENT, MAGIC, TYPE_IDS, layout, shard_name, shard_stem, split_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub_gguf.container import Value


class GgufFormat(BaseFormat):
    """GGUF, versions 2 and 3: one file, one split as llama.cpp's gguf-split does it, or one inside a bundle.

    The alignment is `general.alignment` of each file; the number here is what a file without that key has.
    """

    name = "gguf"
    title = "GGUF"
    extensions: tuple[str, ...] = (".gguf",)
    magic: tuple[Magic, ...] = (Magic(MAGIC), Magic(EMBEDDED))
    capabilities = Capabilities(encodings=frozenset(TYPE_IDS), shards=True)
    supports: frozenset[str] = frozenset({"shard_size", "pre"})
    alignment: int | None = DEFAULT_ALIGNMENT

    def read(self, path: Path) -> Model:
        """The model at `path`, or in all the parts that `path` is one of. No payload is read."""
        from hub_gguf._read import read_model

        return read_model(path)

    def plan(self, model: Model, options: Options) -> Plan:
        """What writing `model` would do."""
        from hub_gguf._plan import plan

        return plan(model, options)

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """Write the one file, or NAME-00001-of-000NN.gguf and so on."""
        from hub_gguf._plan import Document

        del options
        document = plan.document
        if not isinstance(document, Document):
            raise TypeError(f"a plan of {plan.format} cannot be written as gguf")
        count, total = len(document.parts), len(plan.tensors)
        if count == 1:
            write_file(sink, None, document.keys, document.parts[0], document.version)
            return
        stem = shard_stem(sink.target.name)
        for no, part in enumerate(document.parts):
            keys = {**(document.keys if no == 0 else {}), **split_keys(no, count, total)}
            write_file(sink, shard_name(stem, no, count), keys, part, document.version)

    def validate(self, path: Path) -> Iterator[Finding]:
        """Findings of the stages from magic to checksum; GGUF has no checksum, a bundle has one."""
        from hub_gguf._validate import validate

        return validate(path)


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The format this plugin brings."""
    return [GgufFormat()]


def write_file(
    sink: Sink, name: str | None, keys: Mapping[str, Value], tensors: Sequence[Tensor], version: int
) -> None:
    """One file: its header, then the tensors, with zeros between them."""
    path = sink.create(name)
    made = layout(keys, tensors, version)
    with path.open("wb") as file:
        file.write(made.header)
        file.truncate(made.size)
    sink.copy(path, list(zip(made.offsets, tensors, strict=True)))
