"""JSON documents of a model folder, read within limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile

MAX_DOCUMENT = 64 << 20


def read_object(data: bytes, file: Path | str) -> dict[str, Any]:
    """The JSON object in `data`; `DamagedFile` naming `file` and the offset when it is anything else."""
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unambiguous)
    except UnicodeDecodeError as error:
        raise DamagedFile("a JSON file is UTF-8; these bytes are not", file=file, offset=error.start) from None
    except json.JSONDecodeError as error:
        at = len(error.doc[: error.pos].encode())
        raise DamagedFile(f"not JSON: {error.msg}", file=file, offset=at) from None
    except _AmbiguousError as error:
        key, at = error.args[0], data.rfind(json.dumps(error.args[0]).encode())
        message = f"states {key[:80]!r} twice, and differently"
        raise DamagedFile(message, file=file, offset=at if at >= 0 else None) from None
    except RecursionError:
        raise DamagedFile("JSON that nests too deep", file=file, offset=0) from None
    except ValueError:  # an integer of thousands of digits
        raise DamagedFile("JSON with a number beyond all sizes", file=file, offset=0) from None
    if not isinstance(value, dict):
        raise DamagedFile(f"a JSON object was expected, not {type(value).__name__}", file=file, offset=0)
    return value


class _AmbiguousError(ValueError):
    pass


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of `pairs`; a key that is there twice must say the same, as readers differ in which one they take."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        for key, value in pairs:
            if value != fields[key]:
                raise _AmbiguousError(key)
    return fields


def write_object(value: dict[str, Any]) -> bytes:
    """`value` as transformers writes its documents: sorted, indented by two, ending in a newline."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
