"""What is different between two versions of a data set, from their manifests alone."""

from __future__ import annotations

from dataclasses import dataclass

from hub.signing.data import Corpus, DataFile


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that both have, with other bytes, or under another name: as it is in each."""

    a: DataFile
    b: DataFile


@dataclass(frozen=True, slots=True)
class Difference:
    """Files that only one has, that are renamed (same bytes), and that are changed (same name)."""

    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]
    renamed: tuple[Changed, ...]
    changed: tuple[Changed, ...]
    same: int

    @property
    def equal(self) -> bool:
        """True when there is none."""
        return not (self.added or self.removed or self.renamed or self.changed)


def diff(a: Corpus, b: Corpus) -> Difference:
    """The way from version `a` to version `b`."""
    old, new = a.by_name(), b.by_name()
    both = sorted(old.keys() & new.keys())
    changed = [Changed(old[n], new[n]) for n in both if old[n].sha256 != new[n].sha256]
    gone = {old[n].sha256: old[n] for n in sorted(old.keys() - new.keys(), reverse=True)}
    renamed: list[Changed] = []
    added: list[DataFile] = []
    for name in sorted(new.keys() - old.keys()):
        before = gone.pop(new[name].sha256, None)
        if before is None:
            added.append(new[name])
        else:
            renamed.append(Changed(before, new[name]))
    moved = {one.a.name for one in renamed}
    removed = [old[n] for n in sorted(old.keys() - new.keys()) if n not in moved]
    return Difference(tuple(added), tuple(removed), tuple(renamed), tuple(changed), len(both) - len(changed))
