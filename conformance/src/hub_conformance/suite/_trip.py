"""Writing a vector in a format and reading it back, once for all tests that look at the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hub.errors import HubError, UnmappedTensor
from hub.interface import Format, Options, Plan
from hub.ir import Model
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_conformance import vectors
from hub_conformance.notation import model_of
from hub_conformance.suite._case import declared, disabled, short
from hub_conformance.suite._claims import justified, lost


def options_for(fmt: Format, document: Mapping[str, Any]) -> Options:
    """How to write a vector: in shards, where it asks for them and the format has them."""
    size = document.get("shard_size") if "shard_size" in fmt.supports else None
    return Options(shard_size=size, folder=bool(size) and fmt.capabilities.folder)


def write(fmt: Format, plan: Plan, target: Path, options: Options) -> Path:
    """Write `plan` at `target` as the hub does; the path to read it from."""
    with Target(target, Copier(default_budget(1), Silent()), folder=options.folder, overwrite=False) as sink:
        fmt.write(plan, sink, options)
        return sink.commit()[0]


def target_in(folder: Path, fmt: Format, stem: str, options: Options) -> Path:
    """A path in `folder` that the format would write to."""
    return folder / (stem if options.folder or not fmt.extensions else stem + fmt.extensions[0])


def files_of(path: Path) -> dict[str, bytes]:
    """What a write left beside or in `path`, by name; each trip has a folder of its own."""
    root = path if path.is_dir() else path.parent
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@dataclass
class Trip:
    """A vector, written and read back: `back`; or `refused`, the error that the plan gave."""

    fmt: Format
    name: str
    folder: Path
    plan: Plan | None = None
    path: Path | None = None
    read: Model | None = None
    refused: HubError | None = None
    broken: Exception | None = None

    @cached_property
    def document(self) -> dict[str, Any]:
        """The vector as its JSON document."""
        return vectors.document(self.name)

    @cached_property
    def model(self) -> Model:
        """The vector as a model."""
        return model_of(self.document)

    @cached_property
    def options(self) -> Options:
        """How it is written."""
        return options_for(self.fmt, self.document)

    @property
    def back(self) -> Model:
        """The model as the format reads it back."""
        if self.read is None:
            raise RuntimeError("nothing was written")
        return self.read

    def set_out(self) -> None:
        """Plan, write, read."""
        try:
            self.plan = self.fmt.plan(self.model, self.options)
        except HubError as error:
            self.refused = error
            return
        if self.plan.unmapped:
            self.refused = UnmappedTensor("has no place in the format", tensor=self.plan.unmapped[0])
            return
        self.path = write(self.fmt, self.plan, target_in(self.folder, self.fmt, "model", self.options), self.options)
        self.read = self.fmt.read(self.path)

    def reached(self) -> Trip:
        """The trip when there is something to look at; ends the test otherwise."""
        if not self.fmt.capabilities.writes:
            declared(f"{self.fmt.name} is read, not written")
        if self.broken is not None:
            disabled(f"test_written_and_read_back[{self.name}] failed")
        if self.refused is not None:
            if justified(self.refused, self.fmt, self.document):
                declared(f"refused: {short(str(self.refused))}")
            disabled(f"test_written_and_read_back[{self.name}] failed")
        return self

    def dropped(self, aspect: str, lines: list[str]) -> list[str]:
        """Those of `lines` that neither the format nor the plan declares to be lost."""
        if aspect in lost(self.fmt):
            return []
        said = [fact.key.split()[-1] for fact in (self.plan.facts if self.plan else ()) if fact.fate == "dropped"]
        return [line for line in lines if not any(key in line for key in said)]


@dataclass
class Trips:
    """The trips of one format, each made when first asked for."""

    fmt: Format
    folder: Path
    made: dict[str, Trip] = field(default_factory=dict)

    def to(self, name: str) -> Trip:
        """The trip of vector `name`."""
        if name not in self.made:
            folder = self.folder / f"{len(self.made)}"
            folder.mkdir(parents=True)
            trip = self.made[name] = Trip(self.fmt, name, folder)
            if self.fmt.capabilities.writes:
                try:
                    trip.set_out()
                except Exception as error:  # whatever a plugin raises is told by one test
                    trip.broken = error
        return self.made[name]
