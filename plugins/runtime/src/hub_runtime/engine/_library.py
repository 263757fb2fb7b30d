"""llama_cpp's low-level functions, imported once, with its log kept instead of printed."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from functools import cache
from typing import Any

from hub.errors import HubError

# Levels of ggml_log_level (ggml.h).
_DEBUG, _WARN, _ERROR, _CONTINUED = 1, 3, 4, 5
_KEPT = 400


class Log:
    """The last lines that llama.cpp logged: (level, text), the newest last; those for its own developers left out."""

    def __init__(self) -> None:
        self.lines: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._level = 0
        self._callback: object = None

    def attach(self, library: Any) -> None:
        """Take llama.cpp's messages from now on; they no longer reach standard error."""
        self._callback = library.llama_log_callback(self._take)  # kept alive as long as llama.cpp may call it
        library.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _: object) -> None:
        line = text.decode("utf-8", "replace").rstrip("\n")
        self._level = self._level if level == _CONTINUED else level
        if self._level == _DEBUG:
            return
        if level == _CONTINUED and self.lines:
            before, start = self.lines.pop()
            self.lines.append((before, start + line))
        elif line:
            self.lines.append((level, line))

    def reasons(self) -> str:
        """What the newest errors say, in one line; the warnings when there are no errors."""
        for wanted in (_ERROR, _WARN):
            found = [text for level, text in list(self.lines) if level == wanted]
            if found:
                return "; ".join(found[-3:])
        return "llama.cpp gives no reason"


LOG = Log()

# Models are loaded and contexts made one at a time, whatever the threads of this process do: llama.cpp's log, which
# says why it refuses something, is one for the process, and so is what its backends set up at first use.
ONE_AT_A_TIME = threading.RLock()


@cache
def returning_address(name: str) -> Any:
    """llama.cpp's function `name` of a context and a number, returning a plain address instead of a ctypes pointer."""
    function = library()._lib[name]  # by index ctypes makes a new function, apart from the module's own
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int32], ctypes.c_void_p
    return function


def library() -> Any:
    """The module of llama.cpp's C functions; `HubError` when llama-cpp-python is not installed or does not load."""
    return _started.get("library") or _start()


_started: dict[str, Any] = {}


def _start() -> Any:
    with ONE_AT_A_TIME:  # a second callback for the log would free the first while llama.cpp still calls it
        if "library" not in _started:
            _started["library"] = _imported()
        return _started["library"]


def _imported() -> Any:
    try:
        import llama_cpp.llama_cpp as found
    except ImportError as error:
        raise HubError(f"llama-cpp-python is not there: {error}", hint="hub runtime install builds it") from error
    except (OSError, RuntimeError) as error:
        raise HubError(f"llama-cpp-python does not load: {error}", hint="hub runtime install builds it anew") from error
    LOG.attach(found)
    found.llama_backend_init()
    return found
