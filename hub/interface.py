"""What a format plugin implements: the contract `hub.v1`.

A plugin registers `Format` objects (see `hub.hookspecs`). `BaseFormat` has a default for everything but `read` and
`write`, so a useful format is about twenty lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError, UnsupportedFile
from hub.ir import F32, Bytes, Change, Encoding, FileRows, Model, Tensor

Outcome = Literal["PASS", "FAIL", "SKIP"]


class Stage(StrEnum):
    """The ten stages of `hub check`, in order."""

    MAGIC = "magic"
    HEADER = "header"
    METADATA = "metadata"
    INDEX = "index"
    ALIGNMENT = "alignment"
    CHECKSUM = "checksum"
    TOKENIZER = "tokenizer"
    CONFIG = "config"
    ARCHITECTURE = "architecture"
    INFERENCE = "inference"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one stage found: an `outcome` with its reason, and where (`offset`, `tensor`) when that is known.

    `stage` is one of the ten, or a plugin's own, "PLUGIN:WHAT" (see `hub.hookspecs.hub_checks`).
    """

    stage: Stage | str
    outcome: Outcome
    detail: str
    offset: int | None = None
    tensor: str | None = None


@dataclass(frozen=True, slots=True)
class Magic:
    """Bytes that a file of the format holds at `offset`."""

    data: bytes
    offset: int = 0

    def matches(self, head: bytes) -> bool:
        """True when `head`, the first bytes of a file, holds the magic."""
        return head[self.offset : self.offset + len(self.data)] == self.data


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a format can hold. `encodings` by name; everything else is yes or no."""

    encodings: frozenset[str]
    config: bool = True
    tokenizer: bool = True
    ties: bool = True
    shards: bool = False
    folder: bool = False
    writes: bool = True


Fate = Literal["kept", "mapped", "dropped"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What becomes of one piece of metadata."""

    key: str
    fate: Fate
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """One tensor of the target: its `tensor` (named and laid out as the target wants it), the canonical names it holds.

    `sources` are the canonical tensors whose values it carries; empty for a tensor the target alone needs (a table of
    rope factors, a copy of a tied embedding). `reason` says why its bytes change, when they do.
    """

    tensor: Tensor
    sources: tuple[str, ...]
    reason: str = ""

    @property
    def change(self) -> Change:
        """What happens to the bytes."""
        return self.tensor.change


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a write will do, decided before a byte is written.

    `document` is the format's own header, metadata or files: whatever its `write` needs beside the tensors.
    `unmapped` names canonical tensors that have no place in the target.
    """

    format: str
    tensors: Sequence[PlannedTensor]
    facts: Sequence[Fact] = ()
    unmapped: Sequence[str] = ()
    notes: Sequence[str] = ()
    document: Any = None


@dataclass(frozen=True)
class Options:
    """What every format can be told when writing.

    `shard_size`: largest shard in bytes; None writes one file. `portable`: only what the format's other programs run.
    `compression`: a codec's name, for formats that pack. `pre`: the pre-tokenizer, when the source does not say.
    `overwrite`: files at the target may be replaced. `folder`: the target is a folder, for formats that have both.
    `recipe`: the mixture that the encodings were chosen by (`hub.recipes`), for formats that write its name down.
    `target`: the place where the model is to run (`hub.targets`), for formats that can hold what is needed there.
    """

    shard_size: int | None = None
    portable: bool = False
    compression: str | None = None
    pre: str | None = None
    overwrite: bool = False
    folder: bool = False
    recipe: str | None = None
    target: str | None = None


Placement: TypeAlias = tuple[int, Tensor]


class Sink(Protocol):
    """Where a format writes. Paths are temporary; the hub renames them when everything is verified."""

    @property
    def target(self) -> Path:
        """The final path: the file, the name that shards are named after, or the folder. Nothing is written there."""
        ...

    @property
    def jobs(self) -> int:
        """How many threads a format may use for work of its own, such as packing; the result is the same for any."""
        ...

    def create(self, name: str | None = None) -> Path:
        """A fresh empty file: the target itself, or `name` beside it (a shard) or in it (for a folder).

        `name` may hold folders ("1_Pooling/config.json"). `TargetExists` when the final name is taken and may not be
        replaced. The first file created is what a reader is given to read the result back (the folder, for folders).
        """
        ...

    def copy(self, path: Path, placements: Sequence[Placement]) -> None:
        """Write each tensor's bytes at its offset in `path`, with many workers and bounded memory.

        The file exists, is not held open by the format, and grows as needed. Bytes between the tensors are left as they
        are.
        """
        ...

    def stream(self, tensor: Tensor) -> Iterator[bytes]:
        """The tensor's bytes in order, in pieces, counted as progress; for formats that pack what they write."""
        ...


@runtime_checkable
class Format(Protocol):
    """One model format. All members are read by the hub; `BaseFormat` has defaults.

    `name` is what `--to` takes; `title` what people call it; `extensions` start with a dot, the first is the default.
    `magic`: any one of these in a file claims it. Without magic (folders), `sniff` alone decides.
    `drops` names what the format cannot hold, in the words "config", "tokenizer", "ties", "metadata" (what a model card
    says), "files" (companions), "source" (other formats' own keys) and "naming" (`Model.naming` and `unnamed`).
    `supports` names the fields of `Options` that have an effect on a write.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    magic: tuple[Magic, ...]
    capabilities: Capabilities
    drops: frozenset[str]
    supports: frozenset[str]
    alignment: int | None

    def sniff(self, path: Path, head: bytes) -> bool:
        """True when `path` is of this format; `head` holds its first 4096 bytes, empty for a folder."""
        ...

    def read(self, path: Path) -> Model:
        """The model at `path`, nothing decoded, nothing large read. `DamagedFile` or `UnsupportedFile` otherwise."""
        ...

    def plan(self, model: Model, options: Options) -> Plan:
        """What writing `model` would do. Touches no disk beyond reading `model`."""
        ...

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """Do what `plan` says."""
        ...

    def validate(self, path: Path) -> Iterator[Finding]:
        """Findings of the stages from magic to checksum; what a stage means here. Never raises for damage."""
        ...


Use: TypeAlias = Literal["look", "convert", "run", "sign"]


@runtime_checkable
class Seal(Protocol):
    """The files that a verifier found right, with their identities, so that a later change of them is noticed."""

    def check(self) -> None:
        """`HubError` naming the first file that is no longer the one that was verified."""
        ...


@runtime_checkable
class Codec(Protocol):
    """Kernels for some encodings; NumPy's stay the reference, and every result is theirs bit for bit.

    `decodes` and `encodes` are names of `hub.ir.ENCODINGS`; `weighs` those that it encodes under an importance. The hub
    asks for nothing else: arrays are C-contiguous and not empty, rows are whole blocks, and values are float32. Calls
    come from many threads at once. `hub.codecs` says in which order codecs are chosen.
    """

    name: str
    decodes: frozenset[str]
    encodes: frozenset[str]
    weighs: frozenset[str]

    def decode(self, encoding: Encoding, raw: Bytes, columns: int) -> NDArray[np.float32]:
        """Values [rows, columns] of stored rows, uint8 [rows, encoding.row_nbytes(columns)]."""
        ...

    def encode(
        self, encoding: Encoding, values: NDArray[np.float32], importance: NDArray[np.float32] | None = None
    ) -> Bytes:
        """Stored rows of values [rows, columns]; `importance`, float32 [columns], weighs the errors of each column."""
        ...


@runtime_checkable
class Source(Protocol):
    """A place that models come from; `schemes` are those of its addresses: ("hf",) for hf://ORG/REPO."""

    name: str
    schemes: tuple[str, ...]

    def fetch(self, address: str, into: Path) -> Path:
        """The model at `address` as a file or folder inside the folder `into`, whole or not at all; `HubError`."""
        ...


@runtime_checkable
class Locates(Protocol):
    """A source that keeps models on this machine under names; optional."""

    name: str

    def locate(self, name: str) -> Path | None:
        """The path of the model called `name`, with its files as readers expect them; None when it knows none.

        `HubError` where the name is one of its own and leads nowhere, or what it leads to is damaged.
        """
        ...


@runtime_checkable
class Runtime(Protocol):
    """A program that runs models."""

    name: str

    def smoke_test(self, path: Path) -> Finding | None:
        """What one small forward pass of the model at `path` showed, for the inference stage of `hub check`.

        Called only for a model whose other stages hold. None leaves the answer to another runtime.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """A format that can say what a file is that it recognises and does not read as a model; optional."""

    def describe(self, path: Path) -> Mapping[str, Any] | None:
        """What the file is: "format", "model_type", "metadata" ...; None for a file that `read` reads."""
        ...


class BaseFormat:
    """Defaults for a format: names stay, encodings that it cannot hold become F32, files without damage pass.

    A subclass sets `name` and `capabilities`, and implements `read` and `write`.
    """

    title: str = ""
    extensions: tuple[str, ...] = ()
    magic: tuple[Magic, ...] = ()
    drops: frozenset[str] = frozenset()
    supports: frozenset[str] = frozenset()
    alignment: int | None = None
    name: str
    capabilities: Capabilities

    def sniff(self, path: Path, head: bytes) -> bool:
        """True when one of the declared magics is there."""
        return any(m.matches(head) for m in self.magic)

    def read(self, path: Path) -> Model:
        """The model at `path`; a format implements this."""
        raise UnsupportedFile(f"{self.name} can be written, not read", file=path)

    def plan(self, model: Model, options: Options) -> Plan:
        """Every tensor under its own name, as F32 where the format cannot hold its encoding."""
        from hub.codecs import recode

        planned = []
        for name, tensor in model.tensors.items():
            if tensor.encoding.name in self.capabilities.encodings:
                planned.append(PlannedTensor(tensor, (name,)))
            else:
                reason = f"{self.name} has no {tensor.encoding}"
                planned.append(PlannedTensor(recode(tensor, F32), (name,), reason))
        return Plan(self.name, planned, document=model)

    def validate(self, path: Path) -> Iterator[Finding]:
        """Magic, header and index: whether the file can be read, and ends behind its last tensor.

        The stages of its own that a format has no word on are SKIP.
        """
        if self.magic and path.is_file():
            with path.open("rb") as file:
                head = file.read(max(m.offset + len(m.data) for m in self.magic))
            there = any(m.matches(head) for m in self.magic)
            yield Finding(Stage.MAGIC, "PASS" if there else "FAIL", f"the file starts with {head!r}")
        try:
            model = self.read(path)
        except HubError as error:
            yield Finding(Stage.HEADER, "FAIL", error.message, error.offset, error.tensor)
            return
        yield Finding(Stage.HEADER, "PASS", "the file can be read")
        cut = [t.name for t in model.tensors.values() if isinstance(t.rows, FileRows) and not t.rows.inside]
        yield from (Finding(Stage.INDEX, "FAIL", "ends behind the end of the file", tensor=name) for name in cut)
        if not cut:
            yield Finding(Stage.INDEX, "PASS", f"{len(model.tensors)} tensors, each inside the file")
