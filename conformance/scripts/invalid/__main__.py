"""Makes the vectors of invalid files: `python -m conformance.scripts.invalid` from the root of the repository.

Every file is made from one valid file with one thing wrong; nothing of a plugin is used. `--into FOLDER` writes them
elsewhere, so that a test can compare them with those that are committed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from conformance.scripts.invalid import _apr, _gguf, _safetensors
from conformance.scripts.invalid._fault import Fault, archive

HERE = Path("conformance/src/hub_conformance/vectors/v1/invalid")

# Of each format: the valid files, and the faulty ones made from them. Its name is its extension.
FORMATS: dict[str, tuple[Sequence[Fault], Sequence[Fault]]] = {
    "gguf": (_gguf.VALID, _gguf.FAULTS),
    "safetensors": (_safetensors.VALID, _safetensors.FAULTS),
    "apr": (_apr.VALID, _apr.FAULTS),
}


def rows(faults: Sequence[Fault], kind: str) -> Iterator[dict[str, Any]]:
    """The table, one row a vector; `opens` only for archives."""
    for fault in faults:
        row = {"file": file_name(fault, kind), "fault": fault.words, "stage": fault.stage, "error": fault.error}
        yield row if isinstance(fault.data, bytes) else {**row, "opens": fault.opens}


def file_name(fault: Fault, kind: str) -> str:
    """What the vector is called: its fault and the format's extension, .zip for several files."""
    return f"{fault.name}.{kind if isinstance(fault.data, bytes) else 'zip'}"


def main(argv: Sequence[str] | None = None) -> None:
    """Write every vector and the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=HERE)
    into: Path = parser.parse_args(argv).into
    for kind, (valid, faults) in FORMATS.items():
        folder = into / kind
        folder.mkdir(parents=True, exist_ok=True)
        every = [*valid, *faults]
        for fault in every:
            data = fault.data if isinstance(fault.data, bytes) else archive(fault.data)
            (folder / file_name(fault, kind)).write_bytes(data)
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows(every, kind))
        (folder / "faults.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{kind}: {len(faults)} faults")


if __name__ == "__main__":
    main()
