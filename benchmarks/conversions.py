"""Conversions beside the peers that are installed, on the same files in the same run.

    python -m benchmarks.conversions --gigabytes 2 --rounds 3 --output benchmarks/results/conversions.json

Each command is a process of its own, in turn, in several rounds, on a source in the page cache that has the cache for
itself; what it wrote is removed before the next one. Times are wall clock of the whole process; ours flush to the disk
before they end, so `cp` is measured with a flush (`sync FILE`) and without. Peaks are of resident memory. Needs `hub`
with its formats; every peer that is missing is named and left out. `--only PATTERN` takes some cases;
`benchmarks.chart` draws what `--output` wrote.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HUB = (sys.executable, "-m", "hub", "convert", "{source}", "{target}")


def peer(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of `peers/NAME.py`."""
    return (sys.executable, str(HERE / "peers" / f"{name}.py"), "{source}", "{target}", *arguments)


def opening(how: str) -> tuple[str, ...]:
    """The command of `peers/gguf_open.py`, which writes nothing."""
    return (sys.executable, str(HERE / "peers" / "gguf_open.py"), "{source}", how)


def script(kind: str) -> tuple[str, ...]:
    """llama.cpp's converter for folders of Hugging Face."""
    program = f"{os.environ.get('HUB_LLAMA_CPP', '')}/convert_hf_to_gguf.py"
    return (sys.executable, program, "{source}", "--outfile", "{target}", "--outtype", kind)


# What each contestant needs: a module that can be imported, or a variable that is set.
NEEDS = {
    "gguf": "gguf", "gguf + numpy": "gguf", "transformers": "transformers", "MLX": "mlx",
    "llama.cpp quantizer": "llama_cpp", "convert_hf_to_gguf.py": "HUB_LLAMA_CPP",
}  # fmt: skip

COPY = ("cp", "{source}", "{target}")
DURABLE = ("sh", "-c", "cp {source} {target} && sync {target}")
# As installed programs run: with the bytecode that was kept of their last run.
INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
THREADS = str(len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion: its source and target by name, and the command of each contestant."""

    name: str
    source: str
    target: str
    commands: Mapping[str, tuple[str, ...]]


def _moved(source: str, target: str) -> Case:
    """Bytes that only move, beside cp of the source."""
    ours = {"hub": HUB, "hub --no-verify": (*HUB, "--no-verify")}
    return Case(f"{source} -> {target}", source, target, {**ours, "cp": COPY, "cp + sync": DURABLE})


def _decoded(source: str) -> Case:
    """Blocks to F16 SafeTensors, beside everybody who can."""
    commands = {
        "hub": (*HUB, "--encode", "f16"),
        "hub --no-verify": (*HUB, "--encode", "f16", "--no-verify"),
        "gguf + numpy": peer("gguf_numpy", "f16"),
        "transformers": peer("transformers_gguf", "f16"),
        "MLX": peer("mlx_gguf", "8" if "8" in source else "4"),
    }
    return Case(f"{source} -> F16 SafeTensors", source, "half.safetensors", commands)


def _encoded(kind: str) -> Case:
    """A folder to GGUF, beside llama.cpp's converter."""
    encode = () if kind == "f16" else ("--encode", f"{kind}:*")  # the folder is in F16
    ours = {"hub": (*HUB, *encode), "hub --no-verify": (*HUB, *encode, "--no-verify")}
    commands = {**ours, "convert_hf_to_gguf.py": script(kind)}
    return Case(f"folder -> GGUF {kind.upper()}", "folder", "encoded.gguf", commands)


def _opened() -> Case:
    """Opening a large vocabulary and listing the tensors."""
    commands = {
        "hub": (sys.executable, "-m", "hub", "tensors", "{source}"),
        "hub, the reader alone": opening("hub"),
        "struct walk": opening("struct"),
        "gguf": opening("package"),
    }
    return Case("opening a GGUF of 262,144 tokens", "words.gguf", "nothing", commands)


CASES = (
    _moved("f16.gguf", "moved.apr"),
    _moved("f16.apr", "moved.gguf"),
    _moved("f16.safetensors", "moved.apr"),
    _moved("f16.apr", "moved.safetensors"),
    _moved("f16.safetensors", "moved.gguf"),
    _decoded("q4_1.gguf"),
    _decoded("q8_0.gguf"),
    _decoded("q4_k.gguf"),
    Case(
        "q4_1.gguf -> F32 SafeTensors",
        "q4_1.gguf",
        "whole.safetensors",
        {
            "hub": HUB,
            "hub --no-verify": (*HUB, "--no-verify"),
            "gguf + numpy": peer("gguf_numpy", "f32"),
            "transformers": peer("transformers_gguf", "f32"),
        },
    ),
    Case("cp of that F32", "f32.safetensors", "copied.safetensors", {"cp": COPY, "cp + sync": DURABLE}),
    _encoded("f16"),
    _encoded("q8_0"),
    Case(
        "F16 GGUF -> Q4_K_M",
        "f16.gguf",
        "mixed.gguf",
        {
            "hub": (*HUB, "--encode", "q4_k_m"),
            "hub --no-verify": (*HUB, "--encode", "q4_k_m", "--no-verify"),
            "llama.cpp quantizer": peer("llama_quantize", "Q4_K_M", THREADS),
        },
    ),
    _opened(),
)


# How each source is made: from another one by `hub convert`, or from none by synthetic.py; and with which arguments.
MADE: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "f16.gguf": (None, ("--encoding", "F16")),
    "q4_1.gguf": (None, ("--encoding", "Q4_1")),
    "q8_0.gguf": (None, ("--encoding", "Q8_0")),
    "words.gguf": (None, ("--tokens", "262144")),
    "q4_k.gguf": ("f16.gguf", ("--encode", "q4_k")),
    "f16.apr": ("f16.gguf", ()),
    "folder": ("f16.gguf", ()),
    "f16.safetensors": ("f16.gguf", ()),
    "f32.safetensors": ("q4_1.gguf", ()),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall-clock seconds, processor seconds, peak resident bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def make(name: str, folder: Path, gigabytes: float) -> Path:
    """The source called `name`, made once; flushed, so that no later run pays for it."""
    path = folder / name
    if path.exists():
        return path
    origin, arguments = MADE[name]
    if origin is None:
        command = [str(HERE.parent / "scripts" / "synthetic.py"), str(path), *arguments, "--gigabytes", str(gigabytes)]
        if os.environ.get("HUB_SMOLLM2") and "--tokens" not in arguments:  # converters want a vocabulary they know
            command += ["--vocabulary", os.environ["HUB_SMOLLM2"]]
    else:
        command = ["-m", "hub", "convert", str(make(origin, folder, gigabytes)), str(path), *arguments]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own programs
    os.sync()
    return path


def missing(contestant: str) -> str | None:
    """What `contestant` needs and is not there."""
    need = NEEDS.get(contestant)
    if need is None:
        return None
    there = os.environ.get(need) if need.isupper() else importlib.util.find_spec(need)
    return None if there else need


def warm(source: Path, folder: Path) -> None:
    """Read the source once, so that nobody waits for the disk, and let go of what else lies in the page cache.

    A cache that is full makes room for every page that is written, which takes longer than writing it.
    """
    files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    for path in (p for p in folder.rglob("*") if p.is_file() and p not in files):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for path in files:
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def run(command: tuple[str, ...], source: Path, target: Path) -> Sample:
    """One process; `CalledProcessError` with its last words when it fails."""
    words = [word.format(source=source, target=target) for word in command]
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors, env=INSTALLED)  # noqa: S603  # commands of the tables above
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            errors.seek(0)
            raise subprocess.CalledProcessError(process.returncode, words, stderr=errors.read()[-2000:])
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def remove(target: Path) -> None:
    """Forget what a run wrote, and let the disk settle."""
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    os.sync()


def measure(case: Case, folder: Path, gigabytes: float, rounds: int) -> dict[str, Any]:
    """All contestants of a case in turn, `rounds` times, as a document."""
    source, target = make(case.source, folder, gigabytes), folder / "result" / case.target
    target.parent.mkdir(exist_ok=True)
    absent = {name: missing(name) for name in case.commands}
    samples: dict[str, list[Sample]] = {name: [] for name in case.commands if not absent[name]}
    failed: dict[str, str] = {name: f"needs {need}" for name, need in absent.items() if need}
    remove(target)
    warm(source, folder)
    for _ in range(rounds):
        for name in [n for n in samples if n not in failed]:
            try:
                samples[name].append(run(case.commands[name], source, target))
            except subprocess.CalledProcessError as error:
                failed[name] = error.stderr.decode(errors="replace").strip().splitlines()[-1:][0]
            remove(target)
    lines = {name: _line(runs) for name, runs in samples.items() if runs and name not in failed}
    return {"case": case.name, "contestants": lines, "not_measured": failed}


def _line(runs: list[Sample]) -> dict[str, Any]:
    seconds = [s.seconds for s in runs]
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "peak_megabytes": max(s.peak_bytes for s in runs) / 1e6,
        "samples": seconds,
        "cpu_seconds": [s.cpu_seconds for s in runs],
    }


def show(result: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one case: contestant, median with its range, its ratio to ours, peak memory."""
    yield result["case"]
    ours = result["contestants"].get("hub", {}).get("seconds")
    for name, line in result["contestants"].items():
        ratio = f"{line['seconds'] / ours:6.2f} x" if ours else " " * 8
        spread = f"({line['fastest']:.2f} to {line['slowest']:.2f})"
        yield f"  {name:22} {line['seconds']:7.2f} s {spread:18} {ratio} {line['peak_megabytes']:7.0f} MB"
    for name, why in result["not_measured"].items():
        yield f"  {name:22} not measured: {why}"


def host() -> dict[str, str | int]:
    """Where this was measured, and with which versions."""
    packages = ("hub-core", "numpy", "gguf", "safetensors", "transformers", "torch", "mlx", "llama-cpp-python")
    modules = ("hub", "numpy", "gguf", "safetensors", "transformers", "torch", "mlx", "llama_cpp")
    there = [p for p, m in zip(packages, modules, strict=True) if importlib.util.find_spec(m)]
    return {"machine": platform.machine(), "system": platform.system(), "cores": int(THREADS),
            "python": platform.python_version(), **{name: version(name) for name in there}}  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the model as F16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="PATTERN", help="cases whose name this regular expression finds")
    parser.add_argument("--folder", type=Path, help="where to work; what is made there is used again")
    parser.add_argument("--output", type=Path, help="write all figures as JSON; cases not measured now keep theirs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or Path(name)
        results = []
        for case in [c for c in CASES if re.search(args.only, c.name)]:
            results.append(measure(case, folder, args.gigabytes, args.rounds))
            print("\n".join(show(results[-1])), flush=True)
    if args.output:
        before = json.loads(args.output.read_text())["results"] if args.output.exists() else []
        found = {r["case"]: r for r in [*before, *results]}
        kept = [found[c.name] for c in CASES if c.name in found]
        document = {"gigabytes": args.gigabytes, "rounds": args.rounds, "host": host(), "results": kept}
        args.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
