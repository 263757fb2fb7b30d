"""One bash that runs the course's lines one after the other, as a student's terminal does."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT = 900  # seconds for one line; a bound, not a measure


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, what it said, and the folder that the shell is in after it.

    `log` is the file with what it says on standard error; one in the background goes on writing there.
    """

    text: str
    code: int
    out: str
    err: str
    folder: Path
    log: Path


class Shell:
    """A bash in `folder`, whose `apr` is `hub`; it keeps variables, folder and background jobs from line to line.

    Leaving it ends whatever the lines left running. Input, output and errors of each line are kept in `notes`.
    """

    def __init__(self, folder: Path, notes: Path, env: Mapping[str, str]) -> None:
        self._notes, self._count = notes, 0
        self._told, tell = os.pipe()
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=dict(env), stdin=subprocess.PIPE, pass_fds=[tell],
            start_new_session=True, text=True,
        )  # fmt: skip
        self._tell = tell
        os.close(tell)
        self._send("shopt -s expand_aliases\nalias apr=hub\n")

    def run(self, text: str, given: str = "") -> Ran:
        """Run the command `text`, exactly these bytes, with `given` on its standard input; wait for its end.

        A command that ends in & has ended when it has started.
        """
        self._count += 1
        script, given_at, out, err = (self._notes / f"{self._count}.{kind}" for kind in ("sh", "in", "out", "err"))
        script.write_text(text, encoding="utf-8")
        given_at.write_text(given, encoding="utf-8")
        self._send(f". {script} < {given_at} > {out} 2> {err} {self._tell}>&-\n")
        self._send(f'echo "$? $PWD" >&{self._tell}\n')
        code, _, folder = self._answer(text).partition(" ")
        said, complained = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err))
        return Ran(text, int(code), said, complained, Path(folder), err)

    @property
    def group(self) -> int:
        """The process group of the shell and of everything that it has started."""
        return self._bash.pid

    def _send(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(line)
        self._bash.stdin.flush()

    def _answer(self, text: str) -> str:
        said = b""
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([self._told], [], [], LIMIT)
            piece = os.read(self._told, 4096) if ready else b""
            if not piece:
                raise TimeoutError(f"no end after {LIMIT} s, or the shell is gone: {text}")
            said += piece
        return said.decode().removesuffix("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._bash.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._bash.wait(20)
        self._bash.communicate()
        os.close(self._told)
