"""Making a bundle: model and runtime into one file, which is started once before it appears."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub import __version__
from hub.embedded import digest, embedded
from hub.errors import DamagedFile, HubError, NoPlugin, TargetExists, UnsupportedFile, UsageError
from hub.inspection import summarize_path
from hub.interface import Options
from hub.opening import loading, open_model
from hub.pipeline import Progress, Request, convert, interrupted_once
from hub.signing import claim
from hub.verdicts import check
from hub_deploy.bundle import _boot
from hub_deploy.bundle._layout import PREAMBLE, ends
from hub_deploy.bundle._packages import Package, packages
from hub_deploy.bundle._runtime import Runtime, pack

_CHUNK = 16 << 20
_SECONDS = 600  # the first start unpacks, reads the model once and computes a few tokens


@dataclass(frozen=True, slots=True)
class Order:
    """What `hub bundle` was asked for; `encode`, `assume` and `pre` as for a conversion."""

    source: Path
    target: Path
    encode: Sequence[str] = ()
    assume: Sequence[str] = ()
    pre: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was made: `contents` is what it says of itself, `trial` what its first start showed."""

    path: Path
    nbytes: int
    converted: bool
    contents: dict[str, Any]
    trial: str
    seconds: float


def bundle(order: Order, progress: Progress | None = None) -> Bundled:
    """Make the bundle; it appears at the target whole, executable and tried, or not at all.

    Verifiers are asked about the source as before running it. `NoPlugin` where the runtime is not installed,
    `DamagedFile` for a model that does not pass its checks.
    """
    started = time.perf_counter()
    _check_possible(order)
    with loading(order.source, "run"), interrupted_once(), _stage(order.target) as stage:
        model = _gguf(order, stage, progress)
        _check_sound(model)
        needed = packages()
        runtime, made = pack(needed, stage), stage / "app"
        contents = _contents(order, model, runtime, needed)
        _write(made, model, runtime, contents)
        trial = _try(made, stage)
        _place(made, order)
    took = time.perf_counter() - started
    return Bundled(order.target, order.target.stat().st_size, model.parent == stage, contents, trial, took)


def _check_possible(order: Order) -> None:
    if os.name == "nt":
        raise UnsupportedFile("bundles are made, and run, on Linux and macOS alone")
    for module, name in (("hub_runtime", "hub-runtime"), ("llama_cpp", "llama-cpp-python")):
        if importlib.util.find_spec(module) is None:
            hint = "hub runtime install adds it"
            raise NoPlugin(f"a bundle holds {name}, which is not installed here", hint=hint)
    if order.target.is_dir():
        raise UsageError("is a folder; a name for the bundle was expected", file=order.target)
    if order.target.exists() and not order.force:
        raise TargetExists("exists already", file=order.target, hint="--force replaces it")
    if not order.target.absolute().parent.is_dir():
        raise HubError("the folder to write into does not exist", file=order.target.parent, hint="create it first")
    if order.target.exists() and order.source.exists() and order.target.samefile(order.source):
        raise UsageError("source and target are the same", file=order.target)


@contextmanager
def _stage(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target, gone when the block ends."""
    stage = tempfile.mkdtemp(prefix=".hub-", suffix=".tmp", dir=target.absolute().parent)
    try:
        yield Path(stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _gguf(order: Order, stage: Path, progress: Progress | None) -> Path:
    """The model as one GGUF file: the source itself when it is one, else what the pipeline makes of it, verified."""
    found, model = open_model(order.source, use="run")
    asked = order.encode or order.assume or order.pre
    if found.name == "gguf" and not asked and embedded(order.source) is None and not _is_split(order.source, model):
        return order.source
    target = stage / "model.gguf"
    options = Options(pre=order.pre)
    convert(
        Request(order.source, target, to="gguf", encode=order.encode, assume=order.assume, options=options), progress
    )
    return target


def _is_split(path: Path, model: Any) -> bool:
    """Whether the model's tensors lie in other files than `path` alone."""
    from hub.inspection import stored_files

    return bool({Path(p).resolve() for p in stored_files(model)} - {path.resolve()})


def _check_sound(model: Path) -> None:
    """`DamagedFile` unless the model passes every check, a forward pass with llama.cpp among them."""
    for stage in check(model).stages:
        if stage.outcome == "FAIL":
            raise DamagedFile(f"{stage.title.lower()}: {stage.detail}", file=model, hint="hub check shows all stages")


def _contents(order: Order, model: Path, runtime: Runtime, needed: Sequence[Package]) -> dict[str, Any]:
    """What the bundle says of itself."""
    summary, nbytes, blob = summarize_path(model), model.stat().st_size, runtime.path.stat().st_size
    signature = claim(order.source)
    signed = signature and {"name": signature.name, "key": signature.key, "sequence": signature.sequence}
    contents = {
        "hub": __version__,
        "model": {
            "name": summary.model, "source": order.source.absolute().name, "offset": PREAMBLE, "nbytes": nbytes,
            "digest": digest(model), "sha256": _sha256(model), "architecture": summary.architecture,
            "quantization": summary.quantization, "parameters": summary.parameters, "license": summary.license,
            "encode": list(order.encode), "assume": list(order.assume), "signature": signed,
        },
        "runs_on": asdict(runtime.runs_on),
        "packages": [{"name": p.name, "version": p.version, "license": p.license} for p in needed],
        "runtime": {
            "offset": PREAMBLE + nbytes, "nbytes": blob, "digest": digest(runtime.path), "unpacked": runtime.unpacked,
        },
        "tail": PREAMBLE + nbytes + blob,
        "files": runtime.files,
        "links": runtime.links,
    }  # fmt: skip
    return dict(json.loads(json.dumps(contents)))  # tuples become lists, as in the bundle


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(made: Path, model: Path, runtime: Runtime, contents: dict[str, Any]) -> None:
    """Write the bundle and read all of it back. `HubError` when a byte is not what it should be."""
    first, last = ends(contents, runtime.starts, (contents["model"]["nbytes"], contents["model"]["digest"]))
    with made.open("wb") as out:
        out.write(first)
        for part in (model, runtime.path):
            with part.open("rb") as file:
                shutil.copyfileobj(file, out, _CHUNK)
        out.write(last)
        out.flush()
        os.fsync(out.fileno())
    made.chmod(0o755 & ~_umask())
    inside = embedded(made)
    if inside is None or made.stat().st_size != contents["tail"] + len(last) or _boot.whole(made) != contents:
        raise HubError("what was written reads otherwise", file=made)
    inside.check()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _try(made: Path, stage: Path) -> str:
    """Start the bundle on its own, with an empty home and none of the packages here; what a forward pass showed."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(stage), "HUB_CACHE": str(stage / "cache")}
    command = [sys.executable, "-I", "-S", str(made), "-m", "hub_runtime.smoke", str(made)]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise HubError(f"the bundle does not start here (code {done.returncode}): {last}")
    found = json.loads(done.stdout)
    if found["outcome"] != "PASS":
        raise HubError(f"the bundle starts and does not compute: {found['detail']}")
    return str(found["detail"])


def _place(made: Path, order: Order) -> None:
    """Move the bundle to its name."""
    if order.target.exists() and not order.force:
        raise TargetExists("exists already", file=order.target, hint="--force replaces it")
    made.replace(order.target)
    folder = os.open(order.target.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
