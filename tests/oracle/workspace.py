"""The folder in which the cases are made: one subfolder a case, with `hf` and the script's `script.gguf`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.oracle import factory, script
from tests.oracle.case import Case


def prepare(cases: Sequence[Case], root: Path, sources: Path) -> dict[str, str]:
    """Make every case under `root` and run the script on it; what it could not write, by name.

    A case of 16-bit weights is converted as it is ("auto"), one of F32 to F32.
    """
    jobs = []
    for case in cases:
        folder = root / case.name
        factory.build(case, folder / "hf")
        outtype = "f32" if case.dtype == "float32" else "auto"
        jobs.append((folder / "hf", folder / "script.gguf", outtype, case.told))
    errors = script.convert(jobs, sources)
    return {case.name: error for case, error in zip(cases, errors, strict=True) if error is not None}
