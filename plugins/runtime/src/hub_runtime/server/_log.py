"""The server's log: one JSON object a line on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

_LOGGER = logging.getLogger("hub.server")


class _Json(logging.Formatter):
    """{"time", "level", "event", ...}; other libraries' messages are events called "log"."""

    def __init__(self, always: dict[str, Any]) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._always,
        }
        fields = getattr(record, "fields", None)
        line |= {"event": "log", "message": record.getMessage()} if fields is None else fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_logging(**always: Any) -> None:
    """Send our own events and libraries' warnings to standard error as JSON lines, with fields `always`."""
    # a descriptor of its own, which `silenced` does not touch
    handler = logging.StreamHandler(os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, encoding="utf-8"))
    handler.setFormatter(_Json(always))
    for logger, level in ((_LOGGER, logging.INFO), (logging.getLogger(), logging.WARNING)):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Write one event; `error` adds its traceback."""
    _LOGGER.log(level, event, extra={"fields": {"event": event, **fields}}, exc_info=error)


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing that a library prints to standard error arrives there: llama.cpp prints a client's broken grammar."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
