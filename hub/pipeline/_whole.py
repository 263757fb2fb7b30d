"""Small files, written whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hub.errors import HubError


def write_whole(file: Path, data: bytes) -> None:
    """Put `data` at `file`, whole or not at all, in place of what is there; `HubError` when it cannot be."""
    try:
        fd, temporary = tempfile.mkstemp(prefix=".hub-", suffix=".tmp", dir=file.absolute().parent)
        try:
            with os.fdopen(fd, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HubError(f"cannot be written: {error.strerror}", file=file) from error
