"""The chain from where a model began to what lies there: every statement signed, each about what the next one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from hub.errors import BadSignature, DamagedFile, UnsupportedFile, UsageError
from hub.signing._envelope import Opened, open_envelope, read_bundle
from hub.signing._json import parse
from hub.signing._keys import PublicKey
from hub.signing._material import Material
from hub.signing._statement import ALONE, STATEMENT, Statement
from hub.signing._statement import PREDICATE as SIGNATURE
from hub.signing._verify import Trust
from hub.signing.provenance._places import files_of, lines_of, usual_provenance
from hub.signing.provenance._statement import BUILD_TYPE, FILE, INPUT, MANIFEST, PREDICATE, PREVIOUS, ROLE, digest_of


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a chain begins: a model that its maker signed. `manifest` is the digest of its tensors, when it has one.

    `data` are the data sets that it was made from, as its maker says.
    """

    name: str
    files: Mapping[str, str]
    manifest: str | None
    digest: str
    data: tuple[Material, ...] = ()

    def __str__(self) -> str:
        made = f", made from {' and '.join(map(str, self.data))}" if self.data else ""
        return f"{self.name} was signed as it is{made}"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A step of a chain: `source` files became `files`, by programs of `versions`, with `parameters`.

    `manifest` and `previous` are what it says of its source: the digest of its tensors, and of the statement before.
    `report` is what became of the tensors.
    """

    source: Mapping[str, str]
    files: Mapping[str, str]
    manifest: str | None
    previous: str | None
    versions: Mapping[str, str]
    parameters: Mapping[str, Any]
    report: Mapping[str, Any]
    finished: str
    digest: str

    @property
    def name(self) -> str:
        """What a policy judges: what the target was signed as, else what it was called."""
        return str(self.parameters.get("name") or self.parameters["target"])

    def __str__(self) -> str:
        p = self.parameters
        said = f"{p.get('source')} ({p.get('from')}) became {p.get('target')} ({p.get('to')}) on {self.finished}"
        asked = {k: v for k, v in p.items() if k not in {"source", "from", "target", "to"}}
        said += "".join(f", {key} {value}" for key, value in asked.items())
        counts = ", ".join(f"{count} {what}" for what, count in dict(self.report.get("counts") or {}).items())
        return f"{said}: {counts}; by " + ", ".join(f"{k} {v}" for k, v in self.versions.items())


Step: TypeAlias = Origin | Conversion


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that was walked. `signers[i]` is the key of `steps[i]`; `problem` says where it breaks, if it does."""

    model: Path
    provenance: Path
    steps: tuple[Step, ...]
    signers: tuple[PublicKey, ...]
    problem: str | None

    @property
    def whole(self) -> bool:
        """True when every statement is signed by a trusted key and the last one is about the files that are there."""
        return self.problem is None

    @property
    def begins_signed(self) -> bool:
        """True when the chain begins at a model that its maker signed; else nobody vouches for the first source."""
        return bool(self.steps) and isinstance(self.steps[0], Origin)


def walk(model: Path, trust: Trust, provenance: Path | None = None) -> Chain:
    """Walk the chain of `model`, oldest statement first; every byte of the model is read.

    Each statement must be signed by a key that `trust` admits for what it left: a model by the name that was signed, a
    conversion by that of its target. `provenance` is where the chain is said to lie. `BadSignature` when there is none;
    whatever is wrong in the chain itself is its `problem`.
    """
    if not model.exists():
        raise UsageError("no such file or folder", file=model)
    file = provenance or usual_provenance(model)
    if not file.is_file():
        raise BadSignature(f"has no provenance: there is no {file.name}", file=model)
    steps: list[Step] = []
    signers: list[PublicKey] = []
    where, problem = file.name, None
    try:
        for line in lines_of(file):
            where = f"step {len(steps) + 1}"
            opened = open_envelope(line, trust.keys)
            step = step_of(opened.payload)
            _admit(trust, step, opened)
            _check_place(step, steps[-1] if steps else None)
            steps.append(step)
            signers.append(opened.key)
        where, found = str(model), files_of(model)
        check_link(steps[-1], found.digests, whole=found.folder)
        found.seal.check()
    except (BadSignature, DamagedFile, UnsupportedFile) as error:
        problem = f"{where}: {error.message}"
    return Chain(model, file, tuple(steps), tuple(signers), problem)


def told(file: Path) -> list[Step]:
    """The steps that the provenance in `file` tells of, oldest first, for people to read; nothing here is verified.

    `BadSignature` and `DamagedFile` for what is no provenance.
    """
    return [step_of(read_bundle(line, file=file).payload, file) for line in lines_of(file)]


def _admit(trust: Trust, step: Step, opened: Opened) -> None:
    """`BadSignature` when the signer may not state this. Versions are those of models that somebody signed as such."""
    if isinstance(step, Origin):
        trust.admit(Statement.parse(opened.payload), opened.key)
    else:
        trust.allow(step.name, opened.key)


def _check_place(step: Step, before: Step | None) -> None:
    """`BadSignature` when `step` does not follow `before`."""
    if isinstance(step, Origin):
        if before is not None:
            raise BadSignature("is a signature, where a conversion was expected")
        return
    if step.previous != (before.digest if before else None):
        raise BadSignature("follows another statement than the one before it")
    if before is None:
        return
    check_link(before, step.source, whole=False)
    if isinstance(before, Origin) and before.manifest not in {None, step.manifest}:
        raise BadSignature("names other tensors than the signature of its source")


def check_link(step: Step, found: Mapping[str, str], *, whole: bool) -> None:
    """`BadSignature` when `found`, files by name, are not what `step` left.

    A single file may have any name. Of many, each that is there must be one of the step's; `whole` asks for all.
    """
    wanted = step.files
    if len(wanted) == len(found) == 1:
        wanted, found = {ALONE: next(iter(wanted.values()))}, {ALONE: next(iter(found.values()))}
    other = sorted(name for name, digest in found.items() if wanted.get(name) != digest)
    missing = sorted(wanted.keys() - found.keys()) if whole else []
    if other or missing or not found:
        name = (other or missing or ["its file"])[0]
        said = "is missing" if not other else "is changed" if name in wanted else "is not one of its files"
        raise BadSignature(f"not what the statement about it says: {'the file' if name == ALONE else name} {said}")


def step_of(payload: bytes, file: Path | None = None) -> Step:
    """What a statement says; `BadSignature` for statements of other kinds."""
    document = parse(payload, file)
    kind = document.get("predicateType") if isinstance(document, dict) else None
    if kind == SIGNATURE:
        return _origin(payload, file)
    if kind != PREDICATE:
        raise BadSignature(f"a statement of kind {str(kind)[:100]!r}, which is no provenance", file=file)
    try:
        return _conversion(document, digest_of(payload))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadSignature(f"the provenance lacks a part, or has it in another form: {error}", file=file) from error


def _origin(payload: bytes, file: Path | None) -> Origin:
    from hub.signing.manifest import manifest_digest

    said = Statement.parse(payload, file)
    manifest = None if said.manifest is None else manifest_digest(said.manifest)
    return Origin(said.called, said.files, manifest, digest_of(payload), said.data)


def _conversion(document: dict[str, Any], digest: str) -> Conversion:
    predicate = document["predicate"]
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    if document["_type"] != STATEMENT or definition["buildType"] != BUILD_TYPE:
        raise ValueError(f"buildType {str(definition['buildType'])[:100]!r}")
    roles: dict[str, dict[str, str]] = {FILE: {}, INPUT: {}, MANIFEST: {}, PREVIOUS: {}}
    for resource in definition["resolvedDependencies"]:
        roles[resource["annotations"][ROLE]].update([_named(resource)])
    files = dict(map(_named, document["subject"]))
    if not files or not roles[FILE] or "target" not in definition["externalParameters"]:
        raise ValueError("it names no files")
    return Conversion(
        roles[FILE],
        files,
        next(iter(roles[MANIFEST].values()), None),
        next(iter(roles[PREVIOUS].values()), None),
        dict(details["builder"]["version"]),
        dict(definition["externalParameters"]),
        dict(predicate["hub_report"]),
        str(details["metadata"]["finishedOn"]),
        digest,
    )


def _named(resource: Mapping[str, Any]) -> tuple[str, str]:
    name, digest = resource["name"], resource["digest"]["sha256"]
    if not isinstance(name, str) or not isinstance(digest, str):
        raise TypeError("a name or digest is no text")
    return name, digest
