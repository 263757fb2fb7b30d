"""Work done in a process of its own, with its peak of memory."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from hub_conformance.suite._case import Nonconformant, short

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a call returned (JSON), how long it took, and by how much the process grew; None where nobody can say."""

    result: Any
    seconds: float
    grown: int | None


def measured(call: str, *arguments: Any, seconds: float = 60.0, hash_seed: int = 0, memory: int = 0) -> Measured:
    """Call `MODULE:FUNCTION` with JSON arguments in a fresh process that may allocate `memory` bytes (0: no limit).

    `Nonconformant` when it does not end within `seconds`, dies or raises; the message is its last line.
    """
    command = [sys.executable, "-m", __name__, call, json.dumps(arguments), str(memory)]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise Nonconformant(f"took longer than {seconds:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
        raise Nonconformant(short(lines[-1]))
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(found["result"], found["seconds"], found["grown"])


def resident(key: str) -> int | None:
    """Bytes that this process holds ("VmRSS"), or held at its peak ("VmHWM"); None where the system does not say."""
    if not _STATUS.exists():
        return None
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def _limit(memory: int) -> None:
    """Let the process fail before the machine does; files that are mapped do not count."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def main(call: str, arguments: str, memory: str) -> None:
    """Do the work, and print one line of JSON."""
    module, _, function = call.partition(":")
    work = getattr(importlib.import_module(module), function)
    if int(memory):
        _limit(int(memory))
    before, started = resident("VmRSS"), perf_counter()
    result = work(*json.loads(arguments))
    taken, peak = perf_counter() - started, resident("VmHWM")
    grown = None if before is None or peak is None else peak - before
    print(json.dumps({"result": result, "seconds": taken, "grown": grown}))


if __name__ == "__main__":
    main(*sys.argv[1:])
