"""Files of prompts: one a line, or JSON lines with settings of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.errors import HubError, UsageError
from hub_runtime.answering import Asked

# What a JSON line may say beside "prompt", and which types it takes.
_SETTINGS: dict[str, tuple[type, ...]] = {
    "temperature": (int, float), "top_k": (int,), "top_p": (int, float), "min_p": (int, float), "seed": (int,),
    "repeat_penalty": (int, float), "repeat_last_n": (int,), "presence_penalty": (int, float),
    "frequency_penalty": (int, float), "grammar": (str,),
}  # fmt: skip


def read_batch(path: Path, common: Asked) -> list[Asked]:
    """The prompts of the file at `path`; a line that begins with { is JSON, empty lines are passed over.

    A JSON line has "prompt", and may have "max_tokens", "stop" (a text or a list), "json_schema" (an object) and the
    settings of `hub run`; what it leaves out is as in `common`. `UsageError` names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 at byte {error.start}", file=path) from error
    except OSError as error:
        raise UsageError(f"the prompts cannot be read: {error.strerror}", file=path) from error
    asked = [_asked(line, number, common, path) for number, line in enumerate(lines, 1) if line.strip()]
    if not asked:
        raise UsageError("no prompts", file=path)
    return asked


def _asked(line: str, number: int, common: Asked, path: Path) -> Asked:
    if not line.lstrip().startswith("{"):
        return replace(common, prompt=line)
    try:
        return _from_json(json.loads(line), common)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"line {number} is not JSON: {error}", file=path) from error
    except HubError as error:
        raise UsageError(f"line {number}: {error.message}", file=path) from error


def _from_json(line: dict[str, Any], common: Asked) -> Asked:
    known = {"prompt": (str,), "max_tokens": (int,), "stop": (str, list), "json_schema": (dict,), **_SETTINGS}
    for key, value in line.items():
        if key not in known:
            raise UsageError(f"{key!r} is no setting; those are {', '.join(known)}")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise UsageError(f"{key!r} is a {type(value).__name__}; {known[key][0].__name__} was expected")
    if "prompt" not in line:
        raise UsageError("'prompt' is missing")
    changes = {key: line[key] for key in _SETTINGS if key in line}
    if "json_schema" in line:
        changes["json_schema"] = json.dumps(line["json_schema"])
    stop = line.get("stop", common.stop)
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if not all(isinstance(s, str) for s in stops):
        raise UsageError("'stop' is a text or a list of texts")
    settings = replace(common.settings, **changes)
    return Asked(line["prompt"], settings, line.get("max_tokens", common.max_tokens), stops)
