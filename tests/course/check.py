"""A promise of the course about one line, as a value; and what the promises are read from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from tests.course import document
from tests.course.scene import ROOT, Seen

CAPSTONE = document.CAPSTONE.read_text(encoding="utf-8")
LESSONS = document.LESSONS.read_text(encoding="utf-8")

_SCHEMAS = (ROOT / "hub" / "schemas", ROOT / "plugins" / "runtime" / "src" / "hub_runtime" / "schemas")

Holds = Callable[[Seen], None]


@dataclass(frozen=True)
class Check:
    """A promise: `says` what is looked at, `holds` raises AssertionError when it is not kept."""

    says: str
    holds: Holds


def promise(says: str) -> Callable[[Holds], Check]:
    """Makes a function a `Check`."""
    return lambda holds: Check(says, holds)


@promise("exit code 0")
def succeeds(seen: Seen) -> None:
    """The command says yes."""
    assert seen.code == 0, f"exit code {seen.code}: {seen.err}"


def below(heading: str) -> str:
    """The text of the capstone behind `heading`, up to the next heading, rule or bold line."""
    return re.split(r"\n(?:#|---|\*\*)", CAPSTONE.partition(heading)[2])[0]


def validated(found: Any, name: str) -> Any:
    """`found`, which fits the schema of `hub.NAME/1`."""
    (path,) = [folder / f"{name}.json" for folder in _SCHEMAS if (folder / f"{name}.json").exists()]
    assert found["schema"] == f"hub.{name}/1"
    jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8"))).validate(found)
    return found


def read(path: Path, name: str) -> Any:
    """The JSON document in a file, which fits the schema of `hub.NAME/1`."""
    return validated(json.loads(path.read_text(encoding="utf-8")), name)
