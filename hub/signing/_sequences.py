"""The highest sequence number that was verified of each model, so that an older one is noticed.

One JSON file, `{"schema": "hub.sequences/1", "models": {NAME: NUMBER}}`. It is replaced whole, under a lock: two runs
that verify at once both leave their mark.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DamagedFile, HubError
from hub.signing._json import parse, read_bounded

SCHEMA = "hub.sequences/1"


@dataclass(frozen=True)
class Sequences:
    """The numbers in `file`, which need not exist yet."""

    file: Path

    def highest(self, name: str) -> int | None:
        """The highest number that was verified of the model `name`; None when there was none."""
        return self._read().get(name)

    def remember(self, name: str, number: int | None, *, lower: bool = False) -> None:
        """Note that `number` of `name` was verified; an older one only where `lower` says so (None forgets it).

        `HubError` when that cannot be written: what is not remembered could be rolled back.
        """
        known = self._read().get(name)
        if known == number or (not lower and known is not None and number is not None and known > number):
            return
        try:
            with self._locked():
                models = self._read()
                best = number if lower else max(number or 0, models.get(name, 0))
                models.pop(name, None)
                self._write(models if best is None else {**models, name: best})
        except OSError as error:
            hint = "state = PATH in the policy names a place that can be written"
            raise HubError(
                f"the sequence number cannot be noted: {error.strerror}", file=self.file, hint=hint
            ) from error

    def _read(self) -> dict[str, int]:
        if not self.file.exists():
            return {}
        document = parse(read_bounded(self.file), self.file)
        models = document.get("models") if isinstance(document, dict) else None
        if not isinstance(models, dict) or document.get("schema") != SCHEMA:
            raise DamagedFile(f"no {SCHEMA} document", file=self.file, hint="restore it, or remove it to begin anew")
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in models.values()):
            raise DamagedFile("holds sequence numbers that are no numbers", file=self.file)
        return models

    def _write(self, models: dict[str, int]) -> None:
        fd, temporary = tempfile.mkstemp(prefix=".hub-", suffix=".tmp", dir=self.file.absolute().parent)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as out:
                json.dump({"schema": SCHEMA, "models": dict(sorted(models.items()))}, out, indent=1)
                out.write("\n")
                out.flush()
                os.fsync(out.fileno())
            Path(temporary).replace(self.file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes; the lock goes with the process, however that ends."""
        with self.file.with_name(f"{self.file.name}.lock").open("a+b") as lock:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
            else:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
