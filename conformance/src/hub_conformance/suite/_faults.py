"""The vectors of invalid files: the table that lies with them, and unpacking those that are several files."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hub_conformance.vectors import ROOT

INVALID = ROOT / "v1" / "invalid"
NONE = "no vectors"


@dataclass(frozen=True, slots=True)
class Fault:
    """One vector: its `file` (a .zip holds several files), the `fault` in words, what must come of it.

    `stage`: the stage of `hub check` that must fail, or the check of `hub validate`; "" for a valid file. `error`: the
    class that opening or planning a conversion raises, "" where only a check can see the fault. `opens`: the member of
    an archive that is opened, "" for the folder.
    """

    file: str
    fault: str
    stage: str
    error: str
    opens: str = ""

    @property
    def valid(self) -> bool:
        """True for the files that the others are made from."""
        return not self.stage

    def place(self, kind: str, folder: Path) -> Path:
        """Where the vector of the format `kind` lies, unpacked below `folder` when it is an archive."""
        packed = INVALID / kind / self.file
        if packed.suffix != ".zip":
            return packed
        root = folder / packed.stem
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(root)
        return root / self.opens if self.opens else root


@cache
def table(kind: str) -> dict[str, Fault]:
    """The vectors of the format `kind` by file name; empty when the suite has none of that format."""
    path = INVALID / kind / "faults.json"
    rows = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return {row["file"]: Fault(**row) for row in rows}


def faults(kind: str) -> list[str]:
    """Names of the vectors of the format `kind`, or `NONE`."""
    return list(table(kind)) or [NONE]
