"""One site: the model in parts, the page that runs it, and a list of all files with their digests."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from hub import __version__
from hub.errors import HubError, TargetExists, UnsupportedFile, UsageError
from hub.interface import Options
from hub.ir import Model
from hub.opening import open_model
from hub.pipeline import Progress, Report, Request, Silent, convert, interrupted_once
from hub.targets import TARGETS
from hub_deploy.wasm._durable import write, written
from hub_deploy.wasm._wllama import VERSION, Wllama, wllama

LIST = "site.json"
WORKER = "sw.js"  # fetched by the browser itself, and in no list: it keeps the others
PART_SIZE = 24_000_000  # what every static host takes: the smallest limit of one file is 25 MiB
CONTEXT = 4096
_PIECE = 1 << 20


@dataclass(frozen=True)
class Order:
    """What the user asked for. `output` is the folder to make; `package` the npm package, where it is at hand.

    `part_size` is the most that a file of the model has, in bytes; `context` the tokens of a conversation.
    """

    source: Path
    output: Path
    optimize_size: bool = False
    pre: str | None = None
    package: Path | None = None
    part_size: int = PART_SIZE
    context: int | None = None
    force: bool = False


@dataclass(frozen=True)
class Part:
    """A file of the site: its path there, its size in bytes and its SHA-256."""

    file: str
    bytes: int
    sha256: str


@dataclass
class Deployed:
    """A site that is in place: what it is called, the model's parts and the other files, and how it came about."""

    path: Path
    name: str
    context: int
    apr: Part
    parts: Sequence[Part]
    files: Sequence[Part]
    conversion: Report
    wllama: str
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of everything that a browser fetches."""
        return sum(part.bytes for part in (*self.parts, *self.files))

    def listed(self) -> dict[str, object]:
        """site.json."""
        return {
            "schema": "hub.site/1", "name": self.name, "hub": __version__, "wllama": VERSION, "context": self.context,
            "model": {**vars(self.apr), "parts": [vars(part) for part in self.parts]},
            "files": [vars(part) for part in self.files],
        }  # fmt: skip


def deploy(order: Order, progress: Progress | None = None, program: Wllama | None = None) -> Deployed:
    """Make the site; the folder appears whole or not at all. Without `program` the package is looked up, or fetched.

    `TargetExists` for a folder that is no site of ours, or is one and may not be replaced. `UnsupportedFile` for a
    model that cannot chat, and what `hub convert --target wasm` raises.
    """
    started = time.perf_counter()
    _check_output(order)
    _, model = open_model(order.source)
    context = _context(order, model)
    program = program or wllama(order.package)
    with interrupted_once(), _appearing(order.output) as stage:
        made = _filled(order, model, context, program, stage, progress or Silent())
    made.seconds = time.perf_counter() - started
    return made


def _check_output(order: Order) -> None:
    """`HubError` unless the folder may appear at `order.output`, in parts that a browser takes."""
    largest = TARGETS["wasm"].largest
    if not 0 < order.part_size <= largest:
        raise UsageError(f"--part-size is between one byte and {largest}, which a browser holds at once")
    if not order.output.absolute().parent.is_dir():
        raise HubError("the folder to write into does not exist", file=order.output.absolute().parent)
    if not order.output.exists():
        return
    if not (order.output / LIST).is_file():
        raise TargetExists("is there, and no site that hub made: it is not replaced", file=order.output)
    if not order.force:
        raise TargetExists("exists already", file=order.output, hint="--force replaces it")


def _context(order: Order, model: Model) -> int:
    """Tokens of a conversation; `UnsupportedFile` for a model that does not write text."""
    tokenizer = model.tokenizer.get()
    if tokenizer is None or tokenizer.kind == "wordpiece":
        why = "it has no tokenizer" if tokenizer is None else "it encodes text and writes none"
        raise UnsupportedFile(f"a page cannot chat with this model: {why}", file=order.source)
    longest = model.config.fact("max_position_embeddings", int)
    if order.context is None:
        return min(CONTEXT, longest or CONTEXT)
    if longest is not None and order.context > longest:
        raise UsageError(f"--context {order.context} is more than the {longest} tokens that the model was made for")
    return order.context


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` that takes its place when the block ends well, and is removed when it does not."""
    stage = Path(tempfile.mkdtemp(prefix=".hub-", suffix=".tmp", dir=path.absolute().parent))
    try:
        site = stage / "site"
        site.mkdir()
        yield site
        written(site)
        if path.exists():
            path.rename(stage / "replaced")
        site.rename(path)
        written(path.absolute().parent)
    finally:
        if (stage / "replaced").exists() and not path.exists():
            (stage / "replaced").rename(path)
        shutil.rmtree(stage, ignore_errors=True)


def _filled(order: Order, model: Model, context: int, program: Wllama, stage: Path, progress: Progress) -> Deployed:
    name = str(model.metadata.get("name") or order.source.stem)
    apr = stage.parent / f"{order.source.stem if order.source.is_file() else order.source.resolve().name}.apr"
    options = Options(target="wasm", pre=order.pre)
    report = convert(Request(order.source, apr, options=options, optimize_size=order.optimize_size), progress)
    (stage / "model").mkdir()
    whole, parts = _cut(apr, stage, order.part_size)
    page = files(__package__) / "page"
    shell = {entry.name: entry.read_bytes() for entry in sorted(page.iterdir(), key=lambda e: e.name)}
    listed = [
        _put(stage, path, data) for path, data in {**shell, **program.files}.items() if path != WORKER
    ]  # fmt: skip
    _put(stage, WORKER, shell[WORKER])
    made = Deployed(order.output, name, context, whole, parts, listed, report, program.origin, _notes(model))
    _put(stage, LIST, json.dumps(made.listed(), indent=1).encode() + b"\n")
    return made


def _put(stage: Path, path: str, data: bytes) -> Part:
    write(stage / path, data)
    return Part(path, len(data), sha256(data).hexdigest())


def _cut(apr: Path, stage: Path, largest: int) -> tuple[Part, list[Part]]:
    """The file in parts of at most `largest` bytes, each named by its digest: the whole, and the parts in order."""
    parts: list[Part] = []
    whole = sha256()
    with apr.open("rb") as file:
        while data := file.read(largest):
            whole.update(data)
            digest = sha256(data).hexdigest()
            parts.append(_put(stage, f"model/{len(parts):03d}-{digest[:16]}.bin", data))
    return Part(apr.name, apr.stat().st_size, whole.hexdigest()), parts


def _notes(model: Model) -> list[str]:
    tokenizer = model.tokenizer.get()
    plain = tokenizer is not None and not tokenizer.chat_template
    return ["the model has no chat template: the page lets it continue a text"] * plain
