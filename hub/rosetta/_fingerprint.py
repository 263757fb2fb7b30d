"""The fingerprint of a model: a digest and the statistics of every tensor, to keep and to hold models against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile, HubError, UnsupportedFile, UsageError
from hub.inspection import canonical
from hub.ir import Tensor
from hub.opening import loading, open_model
from hub.pipeline import Progress, matches
from hub.signing.manifest import Against, manifest_digest, of_model
from hub.signing.manifest import compare as held_against
from hub.statistics import Stats, scan_all

SCHEMA = "hub.fingerprint/1"
_NUMBERS = (int, float, type(None))
LARGEST = 1 << 28  # bytes of a saved fingerprint; one of 100,000 tensors has some 60 MB


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a model is: `manifest` (hub/schemas/manifest.json), the `digest` of it, and statistics by canonical name.

    The digest is the same in every format that holds the same tensors in the same encodings, configuration and
    tokenizer. `statistics` are None for a tensor that cannot be decoded.
    """

    path: str
    format: str
    digest: str
    manifest: Mapping[str, Any]
    statistics: Mapping[str, Stats | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model held against a fingerprint; `statistics` of the tensors that are not the same, before and now."""

    reference: str
    against: Against
    statistics: Mapping[str, tuple[Stats | None, Stats | None]]

    @property
    def same(self) -> bool:
        """True when the model is the one of the fingerprint; encodings may differ, values may not."""
        return self.against.same


def fingerprint(path: Path, pattern: str | None = None, progress: Progress | None = None) -> Fingerprint:
    """The fingerprint of the model at `path`, which reads every value twice: for its digest, for its statistics.

    `pattern` chooses the tensors that statistics are of.
    """
    with loading(path):
        found, model = open_model(path)
        tensors = canonical(model)[0]
        chosen = {n: t for n, t in tensors.items() if pattern is None or matches(n, pattern)}
        if pattern is not None and not chosen:
            raise UsageError(f"--filter {pattern!r} matches none of {len(tensors)} tensors", file=path)
        document = of_model(model, values=True, progress=progress)
        statistics = _statistics(chosen, progress)
    return Fingerprint(str(path), found.name, manifest_digest(document), document, statistics)


def _statistics(tensors: Mapping[str, Tensor], progress: Progress | None) -> dict[str, Stats | None]:
    found: dict[str, Stats | None] = {}
    for name, (_, scan) in zip(tensors, scan_all(tensors.values(), progress), strict=True):
        if isinstance(scan, HubError) and not isinstance(scan, UnsupportedFile):
            raise scan
        found[name] = None if isinstance(scan, HubError) else scan.stats
    return found


def is_fingerprint(path: Path) -> bool:
    """True for a file that `hub rosetta fingerprint -o` wrote: JSON by its name."""
    return path.suffix.lower() == ".json" and path.is_file()


def load(path: Path) -> Fingerprint:
    """The fingerprint in the file at `path`; `DamagedFile` when it is none, or was changed."""
    try:
        if path.stat().st_size > LARGEST:
            raise DamagedFile(f"a fingerprint has {LARGEST:,} bytes at most", file=path)
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"is no JSON: {error}", file=path) from error
    match found:
        case {
            "schema": str(schema), "path": str(source), "format": str(name), "digest": str(digest),
            "manifest": dict(document), "statistics": dict(statistics),
        } if schema == SCHEMA:  # fmt: skip
            pass
        case _:
            said = found.get("schema") if isinstance(found, dict) else None
            raise DamagedFile(f"a document of schema {SCHEMA} was expected, not {said!r}", file=path)
    if manifest_digest(document) != digest:
        raise DamagedFile("its digest is not that of what it says: it was changed", file=path)
    return Fingerprint(source, name, digest, document, {n: _stats(s, path) for n, s in statistics.items()})


def _stats(value: Any, path: Path) -> Stats | None:
    if value is None:
        return None
    names = {f.name for f in fields(Stats)}
    if not isinstance(value, dict) or set(value) != names or not all(type(v) in _NUMBERS for v in value.values()):
        raise DamagedFile("its statistics are not those of a fingerprint", file=path)
    return Stats(**value)


def compare(reference: Fingerprint, path: Path, progress: Progress | None = None) -> Comparison:
    """Hold the model at `path` against `reference`: digest by digest, and by value where encodings differ.

    Comparing nothing is a difference.
    """
    against = held_against(reference.manifest, path, progress=progress)
    odd = {d.name for d in against.departures}
    with loading(path):
        tensors = {n: t for n, t in canonical(open_model(path)[1])[0].items() if n in odd}
        now = _statistics(tensors, progress)
    before = reference.statistics
    numbers = {n: (before.get(n), now.get(n)) for n in sorted({*now, *(odd & before.keys())})}
    return Comparison(reference.path, against, numbers)
