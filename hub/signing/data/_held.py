"""Data at hand held against what the provenance of a model names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.errors import BadSignature
from hub.signing._material import Material
from hub.signing.data._corpus import material, read_corpus
from hub.signing.data._unchanged import problems, usual_corpus


@dataclass(frozen=True, slots=True)
class Held:
    """A data set at hand: what it is, and how it departs from the one that was named."""

    material: Material
    problems: tuple[str, ...]

    @property
    def unchanged(self) -> bool:
        """True when the content is what was named, every byte of it."""
        return not self.problems


def held(path: Path, named: Sequence[Material]) -> Held:
    """The data set at `path`, a manifest or its folder, held against those `named`; every file is read."""
    file = usual_corpus(path)
    found = material(file)
    said = _unnamed(found, named)
    try:
        wrong, seal = problems(read_corpus(file), file.parent)
        seal.check()
    except BadSignature as error:
        wrong = [str(error)]
    return Held(found, (*said, *wrong))


def _unnamed(found: Material, named: Sequence[Material]) -> list[str]:
    """Why `found` is none of those named; nothing when one of them has its content."""
    if any(one.digest == found.digest for one in named):
        return []
    other = next((one for one in named if one.name == found.name), None)
    if other is None:
        return [f"no step names it; named is {' and '.join(map(str, named)) or 'no data'}"]
    return [f"is version {found.version} with other content; the model was made from {other}"]
