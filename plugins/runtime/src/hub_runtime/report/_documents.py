"""The documents below a folder: which of them measuring commands wrote, and whether what they say can be true."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from hub.errors import DamagedFile, UsageError
from hub_runtime.measure import (
    SUMMARIES,
    BenchReport,
    FirstToken,
    Host,
    LoadedFrom,
    NanPlace,
    ProfileReport,
    Summary,
    TracedToken,
    summaries,
)

LARGEST = 1 << 26  # bytes of a document that is looked at; a trace of a thousand tokens through 100 layers has 2 MiB
MOST = 10_000  # files that are looked at


@dataclass(frozen=True, slots=True)
class Traced:
    """What a report needs of `hub.trace/1`."""

    model: LoadedFrom
    prompt: str
    tokens: list[TracedToken]
    first_token: FirstToken | None
    first_nan: NanPlace | None
    host: Host


@dataclass(frozen=True, slots=True)
class Held:
    """One model of `hub.compare/1`, held against the first; a divergence that is not finite is None."""

    model: LoadedFrom
    same_tokens: float
    same_first_token: float
    positions: int
    agreement: float
    mean_kl: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """What a report needs of `hub.compare/1`."""

    reference: LoadedFrom
    rule: str
    comparisons: list[Held]
    host: Host


@dataclass(frozen=True, slots=True)
class Side:
    """One of two traces."""

    model: LoadedFrom
    host: Host


@dataclass(frozen=True, slots=True)
class Departed:
    """The first node that departs."""

    node: str


@dataclass(frozen=True, slots=True)
class TracesCompared:
    """What a report needs of `hub.trace-comparison/1`."""

    ours: Side
    other: Side
    tolerance: float
    first_departure: Departed | None
    same_argmax: bool


Content: TypeAlias = BenchReport | Traced | Compared | TracesCompared

KINDS: Mapping[str, type[Content]] = {
    "hub.bench/1": BenchReport, "hub.profile/1": ProfileReport, "hub.trace/1": Traced, "hub.compare/1": Compared,
    "hub.trace-comparison/1": TracesCompared,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was understood: the `file` below the folder, its schema, and what it says."""

    file: str
    schema: str
    content: Content


@dataclass(frozen=True, slots=True)
class Stranger:
    """A JSON file that the report does not use, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What lies below a folder."""

    documents: list[Document]
    strangers: list[Stranger]


def gather(folder: Path) -> Gathered:
    """Every JSON file below `folder`, by name; links to folders are not followed.

    `UsageError` when there is no folder, or more than `MOST` JSON files in it.
    """
    if not folder.is_dir():
        raise UsageError("is no folder; a report is made of the documents in one", file=folder)
    found = Gathered([], [])
    files = sorted(islice(_json_files(folder), MOST + 1))
    if len(files) > MOST:
        raise UsageError(
            f"holds more than {MOST:,} JSON files", file=folder, hint="name the folder of the measurements"
        )
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            found.documents.append(_read(file, name))
        except DamagedFile as error:
            found.strangers.append(Stranger(name, error.message))
    return found


def _json_files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names if name.lower().endswith(".json"))


def _read(file: Path, name: str) -> Document:
    """The document in `file`; `DamagedFile` saying why it is none."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            raise DamagedFile(f"is no file of at most {LARGEST:,} bytes")
        data = file.read_bytes()
        whole = json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except OSError as error:
        raise DamagedFile(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"is no JSON: {str(error)[:200]}") from error
    schema = whole.get("schema") if isinstance(whole, dict) else None
    if not isinstance(schema, str):
        raise DamagedFile("names no schema: no document of hub")
    if schema not in KINDS:
        raise DamagedFile(f"is {schema[:80]!r}, which is no part of a report")
    try:
        content = _adapter(schema).validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise DamagedFile(f"says it is {schema}, and is not: {where}: {first['msg']}") from error
    _check(content)
    return Document(name, schema, content)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is more than a number can be")
    return number


@cache
def _adapter(schema: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[schema])


def _check(content: Content) -> None:
    """`DamagedFile` when the numbers of a document contradict each other: it was changed, or nothing was measured."""
    if isinstance(content, BenchReport):
        _check_samples(content)
    if isinstance(content, Compared) and not content.comparisons:
        raise DamagedFile("compares nothing")


def _check_samples(report: BenchReport) -> None:
    """Times and sizes are positive, and every summary has to follow from the samples."""
    samples, model = report.samples, report.model
    times = [t for s in samples for t in (s.first_token_ms, s.total_ms, *s.token_ms)]
    if min(times, default=0) <= 0 or min(model.load_ms, model.bridge_ms) < 0 or model.stored.nbytes <= 0:
        raise DamagedFile("states times or sizes that nothing has")
    for name, computed in zip(SUMMARIES, summaries(samples, report.prompt_tokens), strict=True):
        if not _follows(getattr(report, name), computed):
            raise DamagedFile(f"its {name} does not follow from its samples")


def _follows(stated: Summary | None, computed: Summary | None) -> bool:
    if stated is None or computed is None:
        return stated is computed
    pairs = zip(astuple(stated), astuple(computed), strict=True)
    return all(a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9))
               for a, b in pairs)  # fmt: skip
