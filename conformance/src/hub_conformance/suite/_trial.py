"""Opening and checking files that may do harm, in a process of its own with bounds on time and memory.

`trials` is what tests call. `main` is the child: it takes names and paths as JSON on stdin and answers line by line,
so that a reader which hangs or dies is known by the file it was looking at; the others go on in a new child.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.errors import HubError
from hub.interface import Options
from hub.opening import open_model
from hub.verdicts import check, validate
from hub_conformance.suite._child import resident

SECONDS = 5.0  # that one file may take
BYTES = 256 << 20  # that looking at one file may take beyond what the process has
_CEILING = 1 << 30  # what the child may take at all, so that no reader hurts the machine


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one file.

    `failed`: the stages of `hub check` that fail, in order, or else the checks of `hub validate`. `error`: the classes
    of the error that opening or planning raised, the most special first; empty when it went well. `message`: what it
    said. `broke`: what looking at the file raised that must not be, or how the process ended.
    """

    failed: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    message: str = ""
    broke: str = ""
    seconds: float = 0.0
    peak: int = 0


def trials(kind: str, paths: Mapping[str, Path], folder: Path) -> dict[str, Trial]:
    """What becomes of each of `paths`, by name, read as the format `kind`; `folder` is for the child's own files."""
    left, found = dict(paths), dict[str, Trial]()
    while left:
        said, end = _child(kind, left, folder)
        found |= said
        left = {name: path for name, path in left.items() if name not in said}
        if left:  # the first that is left is the one it was at
            found[next(iter(left))] = Trial(broke=end)
            del left[next(iter(left))]
    return found


def _child(kind: str, paths: Mapping[str, Path], folder: Path) -> tuple[dict[str, Trial], str]:
    """What a child says of `paths` before it ends, and how it ends."""
    asked = json.dumps({name: str(path) for name, path in paths.items()})
    command = [sys.executable, "-m", __name__, kind]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, cwd=folder, check=False)  # noqa: S603
    said = [json.loads(line) for line in done.stdout.splitlines()]
    slow = "Timeout (" in done.stderr
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    end = f"it takes more than {SECONDS:g} s" if slow else f"the process ended: {last[0]}"
    return {name: _trial_of(**fields) for name, fields in said}, end


def _trial_of(failed: list[str], error: list[str], message: str, broke: str, seconds: float, peak: int) -> Trial:
    return Trial(tuple(failed), tuple(error), message, broke, seconds, peak)


def main() -> None:
    """The child: one line of JSON for each file, and the end after `SECONDS` on one."""
    paths = json.loads(sys.stdin.read())
    _limit_memory()
    for name, path in paths.items():
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        found = _measured(sys.argv[1], Path(path))
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps([name, asdict(found)]), flush=True)


def _measured(kind: str, path: Path) -> Trial:
    before, start = _begin(), time.monotonic()
    found = _looked_at(kind, path)
    seconds, peak = time.monotonic() - start, max(0, (resident("VmHWM") or 0) - before)
    return Trial(found.failed, found.error, found.message, found.broke, seconds, peak)


def _looked_at(kind: str, path: Path) -> Trial:
    try:
        failed = [str(stage.stage) for stage in check(path, inference=False).stages if stage.outcome == "FAIL"]
        failed = failed or [found.name for found in validate(path).checks if found.outcome == "FAIL"]
    except Exception as error:  # a check answers and never raises
        return Trial(broke=f"checking raises {error!r}")
    try:
        _open(kind, path)
    except HubError as error:
        classes = [c.__name__ for c in type(error).__mro__ if issubclass(c, HubError)]
        return Trial(tuple(failed), tuple(classes), str(error))
    except Exception as error:  # a reader says what is wrong in an error of the hub's
        return Trial(tuple(failed), broke=f"reading raises {error!r}")
    return Trial(tuple(failed))


def _open(kind: str, path: Path) -> None:
    """Everything that a conversion reads, and its plan."""
    found, model = open_model(path, kind)
    model.tokenizer.get()
    model.source.get()
    for name in model.files:
        model.files[name]
    for tensor in model.tensors.values():
        tensor.read()
    if found.capabilities.writes:
        found.plan(model, Options(folder=path.is_dir()))


def _limit_memory() -> None:
    """Let an allocation far beyond the bound fail; where the system has no such limit, the measurement is all."""
    now = resident("VmData")
    if now is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (now + _CEILING, now + _CEILING))


def _begin() -> int:
    """Bytes that the process has now; the peak counts from here on. 0 where the system does not say."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak (proc(5))
    return resident("VmRSS") or 0


if __name__ == "__main__":
    main()
