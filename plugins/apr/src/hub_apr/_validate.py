"""The stages from magic to checksum, for an APR file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.errors import DamagedFile, HubError
from hub.interface import Finding, Outcome, Stage
from hub_apr._read import distinct, open_parts, read_model
from hub_apr._shards import is_manifest
from hub_apr.container import (
    ALIASES,
    FOOTER,
    MAGIC,
    SIZE,
    V1,
    Container,
    FileImage,
    Flags,
    Legacy,
    checksum_fits,
    footer,
    metadata_bytes,
    parse_header,
    parse_metadata,
    repeated,
    spelled,
    tell,
)

_STRUCTURE = (Stage.MAGIC, Stage.HEADER, Stage.METADATA, Stage.INDEX, Stage.ALIGNMENT, Stage.CHECKSUM)


def findings(path: Path) -> Iterator[Finding]:
    """What each stage found. Damage is a FAIL; the stages behind it that it keeps from being looked at are SKIP."""
    image = FileImage(path)
    head = image.read(0, min(4096, image.size))
    dialect = tell(head)
    if is_manifest(head):
        yield from _sharded(path)
    elif dialect is None:
        yield from _stop(Stage.MAGIC, DamagedFile(f"the first bytes are {head[:4]!r}, not APR's", offset=0))
    elif head[:4] == MAGIC and not (len(head) >= SIZE and not checksum_fits(head) and dialect != "APR v2"):
        yield _passed(Stage.MAGIC, "APR v2")
        yield from _v2(path)
    else:
        yield from _older(path, str(dialect))


def _passed(stage: Stage, detail: str) -> Finding:
    return Finding(stage, "PASS", detail)


def _failed(stage: Stage, error: HubError) -> Finding:
    return Finding(stage, "FAIL", error.message, error.offset, error.tensor)


def _stop(stage: Stage, error: HubError) -> Iterator[Finding]:
    """A failed stage, and those behind it as not looked at."""
    yield _failed(stage, error)
    for later in _STRUCTURE[_STRUCTURE.index(stage) + 1 :]:
        yield Finding(later, "SKIP", f"not looked at: {stage} failed")


def _v2(path: Path) -> Iterator[Finding]:
    stage = Stage.HEADER
    image = FileImage(path)
    try:
        header = parse_header(image.read(0, min(SIZE, image.size)), path)
        yield _passed(stage, f"version {header.version[0]}.{header.version[1]}, {', '.join(Flags(header.flags).names)}")
        stage = Stage.METADATA
        opened = open_parts(path)
    except HubError as error:
        stage = _stage_of(path, stage)
        if stage is Stage.INDEX:
            yield _passed(Stage.METADATA, f"{header.metadata_size} bytes of JSON")
        yield from _stop(stage, error)
        return
    containers = opened if isinstance(opened, list) else []
    for container in containers:
        yield from _container(container)
    if not any(container.problems() for container in containers):
        yield from _whole(path, containers)


def _whole(path: Path, containers: Sequence[Container]) -> Iterator[Finding]:
    """What shards say against each other, or this plugin's own keys against the file; nothing when all is well."""
    stage = Stage.INDEX
    try:
        distinct(containers)
        stage = Stage.METADATA
        model = read_model(path)
        model.tokenizer.get()
        model.source.get()
        for name in model.files:
            model.files[name]
    except HubError as error:
        yield _failed(stage, error)


def _stage_of(path: Path, reached: Stage) -> Stage:
    """Which stage an error belongs to, found by trying each in turn."""
    if reached is Stage.HEADER:
        return reached
    image = FileImage(path)
    try:
        header = parse_header(image.read(0, SIZE), path)
        parse_metadata(metadata_bytes(image, header), path, header.metadata_offset)
    except HubError:
        return Stage.METADATA
    return Stage.INDEX


def _container(container: Container) -> Iterator[Finding]:
    yield from _metadata(container)
    yield from _index(container)
    yield from _alignment(container)
    yield from _checksum(container)


def _metadata(container: Container) -> Iterator[Finding]:
    """Beyond what opening refuses: fields said twice, which make the inference loader drop all metadata."""
    twice = repeated(metadata_bytes(container.image, container.header))
    said = [f"{key!r} is there twice" for key in twice]
    doubled = [names for key in ALIASES if len(names := spelled(container.metadata, key)) > 1]
    said += [f"{names[0]!r} is also there as {', '.join(map(repr, names[1:]))}" for names in doubled]
    for what in said:
        yield Finding(Stage.METADATA, "FAIL", f"{what}: apr would ignore all metadata")
    if not said:
        yield _passed(Stage.METADATA, f"{len(container.metadata)} keys")


def _index(container: Container) -> Iterator[Finding]:
    problems = container.problems()
    if container.image.size < container.required_size and not problems:
        problems = [DamagedFile(f"{container.required_size} bytes are needed, the file has {container.image.size}")]
    yield from (_failed(Stage.INDEX, problem) for problem in problems)
    if not problems:
        yield _passed(Stage.INDEX, f"{len(container.entries)} tensors, each inside the file and of its shape's size")


def _alignment(container: Container) -> Iterator[Finding]:
    for entry in container.unaligned:
        yield Finding(
            Stage.ALIGNMENT, "FAIL", "data does not start at a multiple of 64", container.position(entry), entry.name
        )
    if not container.unaligned:
        yield _passed(Stage.ALIGNMENT, "every tensor starts at a multiple of 64")


def _checksum(container: Container) -> Iterator[Finding]:
    header, image = container.header, container.image
    if image.size < container.required_size:
        yield Finding(Stage.CHECKSUM, "SKIP", "the data is cut short")
    elif 0 < (rest := image.size - container.required_size) < FOOTER:
        detail = f"{rest} bytes follow the data, a footer takes {FOOTER}: the file is cut short"
        yield Finding(Stage.CHECKSUM, "FAIL", detail, container.required_size)
    elif not rest:
        yield Finding(Stage.CHECKSUM, "SKIP", f"header {header.checksum:08x} is right; the file has no footer")
    else:
        end = footer(image)
        outcome: Outcome = "PASS" if end.valid else "FAIL"
        detail = f"footer is {end.stored:08x}" + ("" if end.valid else f", {end.computed:08x} was expected")
        yield Finding(Stage.CHECKSUM, outcome, detail, None if end.valid else image.size - FOOTER)


def _sharded(path: Path) -> Iterator[Finding]:
    yield _passed(Stage.MAGIC, "a manifest of APR v2 shards")
    try:
        opened = open_parts(path)
    except HubError as error:
        yield from _stop(Stage.HEADER, error)
        return
    yield _passed(Stage.HEADER, "all shards are there")
    for container in opened if isinstance(opened, list) else []:
        yield from _container(container)


def _older(path: Path, dialect: str) -> Iterator[Finding]:
    yield _passed(Stage.MAGIC, dialect)
    try:
        opened = open_parts(path)
    except HubError as error:
        if error.offset != FileImage(path).size - FOOTER:
            yield from _stop(Stage.HEADER, error)
            return
        for stage in _STRUCTURE[1:-1]:
            yield Finding(stage, "SKIP", "not looked at: the checksum is wrong")
        yield _failed(Stage.CHECKSUM, error)
        return
    yield from _older_stages(opened)


def _older_stages(opened: Sequence[Container] | V1 | Legacy) -> Iterator[Finding]:
    if not isinstance(opened, V1 | Legacy):
        yield _passed(Stage.HEADER, "checksum fits")
        for container in opened:
            yield from _container(container)
        return
    yield _passed(Stage.HEADER, "well formed")
    yield _passed(Stage.METADATA, f"{len(opened.metadata)} keys")
    counted = "one serialized value, no tensors" if isinstance(opened, V1) else f"{len(opened.tensors)} tensors"
    yield _passed(Stage.INDEX, counted)
    yield Finding(Stage.ALIGNMENT, "SKIP", "the dialect aligns nothing")
    valid = opened.footer.valid if isinstance(opened, V1) else opened.footer_valid
    if valid is None:
        yield Finding(Stage.CHECKSUM, "SKIP", "the dialect has no checksum")
    else:
        yield Finding(Stage.CHECKSUM, "PASS" if valid else "FAIL", "footer")
    if isinstance(opened, V1):
        yield from _signature(opened)


def _signature(opened: V1) -> Iterator[Finding]:
    """Whether a signed file is as its signer left it; nothing when it is not signed."""
    try:
        holds = opened.signature_valid()
    except HubError as error:
        yield _failed(Stage.CHECKSUM, error)
        return
    if holds is not None:
        yield Finding(Stage.CHECKSUM, "PASS" if holds else "FAIL", "signature by the key in the file")
