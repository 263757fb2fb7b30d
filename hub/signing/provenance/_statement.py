"""The statement about one conversion: an in-toto Statement v1 with a SLSA Provenance v1 predicate.

What SLSA has no field for lies in `hub_report`, as its rules for extension fields say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub import __version__
from hub.signing._statement import STATEMENT

if TYPE_CHECKING:
    from hub.pipeline import Report, Request

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:hub-core:convert:v1"
BUILDER = "urn:hub-core"

# What resolvedDependencies are, by the `hub.role` of their annotations.
ROLE = "hub.role"
FILE, INPUT, MANIFEST, PREVIOUS = "file", "input", "manifest", "provenance"

# Fields of a Request that say where to and how fast, not what is made.
_NO_PARAMETERS = {"source", "target", "from_", "to", "dry_run", "check", "options", "budget"}

_KEPT = ("source_encoding", "target_encoding", "max_abs", "rmse", "cosine", "reason")


@dataclass(frozen=True, slots=True)
class Made:
    """What a statement is about: the files before and after, by name, and what ties them to what was known before.

    `inputs` are further files that the conversion read, such as measurements that guided it. `manifest` is the digest
    of the source's tensor manifest, `previous` that of the newest statement about the source; None where there is none.
    `name` is what the result is signed as, None when it is called what its file or folder is.
    """

    source: Mapping[str, str]
    target: Mapping[str, str]
    inputs: Mapping[str, str]
    manifest: str | None
    previous: str | None
    name: str | None = None


def statement(made: Made, request: Request, report: Report, started: datetime) -> bytes:
    """The payload to sign about the conversion `report` tells of."""
    dependencies = [_resource(name, digest, FILE) for name, digest in sorted(made.source.items())]
    dependencies += [_resource(name, digest, INPUT) for name, digest in sorted(made.inputs.items())]
    for role, digest in ((MANIFEST, made.manifest), (PREVIOUS, made.previous)):
        dependencies += [_resource(f"hub.{role}", digest, role)] if digest else []
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": parameters(request, report) | ({"name": made.name} if made.name else {}),
            "internalParameters": {},
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": versions()},
            "metadata": {"startedOn": _time(started), "finishedOn": _time(datetime.now(UTC))},
        },
        "hub_report": outcome(report),
    }
    subject = [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(made.target.items())]
    document = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def digest_of(payload: bytes) -> str:
    """What the next statement calls this one by: the sha256 of the payload that is signed."""
    return hashlib.sha256(payload).hexdigest()


def parameters(request: Request, report: Report) -> dict[str, Any]:
    """What the user asked for; what is left at its default is left out."""
    usual = {**_fields(type(request.options)()), **{f.name: _default(f) for f in fields(request)}}
    asked = {**_fields(request.options), **_fields(request)}
    given = {
        k: v
        for k, v in asked.items()
        if k not in {*_NO_PARAMETERS, "overwrite", "folder"} and _plain(v) != _plain(usual[k])
    }
    given |= {} if request.check else {"verify": False}
    ends = {"source": Path(report.source.path).name, "from": report.source.format}
    return {
        **ends,
        "target": request.target.name,
        "to": report.target.format,
        **{k: _plain(v) for k, v in given.items()},
    }


def inputs_of(request: Request) -> dict[str, str]:
    """The SHA-256 of files that the request names beside source and target, by base name."""
    named = {k: v for k, v in _fields(request).items() if k not in _NO_PARAMETERS and isinstance(v, Path)}
    out = {}
    for path in named.values():
        with path.open("rb") as file:
            out[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return out


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _default(field: Any) -> Any:
    return None if field.default is MISSING else field.default


def versions() -> dict[str, str]:
    """The versions of the hub and of every loaded plugin's distribution."""
    from hub.plugins import registry

    plugins = {p.distribution: p.version for p in registry().plugins if p.version != "?"}
    return {"hub-core": __version__, **dict(sorted(plugins.items()))}


def outcome(report: Report) -> dict[str, Any]:
    """What became of the tensors: counts, and the measured error of each one whose values changed."""
    lines = report.document()["tensors"]
    changed = [{k: line[k] for k in ("name", *_KEPT)} for line in lines if line["outcome"] == "re-encoded"]
    return {
        "verified": report.verified,
        "values_compared": report.values,
        "counts": report.counts,
        "re_encoded": changed,
        "target_only": list(report.target_only),
        "unmapped": list(report.unmapped),
        "dropped": sorted({fact.key for fact in report.facts if fact.fate == "dropped"}),
    }


def _resource(name: str, sha256: str, role: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}, "annotations": {ROLE: role}}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: Any) -> Any:
    """`value` as JSON has it; of a path its last part, for the others tell nothing of the model."""
    if isinstance(value, Path):
        return value.name
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
