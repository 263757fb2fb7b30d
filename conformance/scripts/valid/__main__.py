"""Makes the valid vectors: `python -m conformance.scripts.valid [FOLDER]` from the root of the repository.

A vector that was released does not change: a new one gets a new name, and a new notation a new folder beside v1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conformance.scripts.valid import _models, _vectors
from hub_conformance.notation import save
from hub_conformance.vectors import VALID


def main() -> int:
    """Write every vector into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=VALID)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    made = {**_vectors.vectors(), **_models.models()}
    for name, document in made.items():
        save(document, folder / f"{name}.json")
    print(f"{len(made)} vectors in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
