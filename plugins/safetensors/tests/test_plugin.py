"""The plugin as the hub's loader sees it."""

from __future__ import annotations

import subprocess
import sys

import hub_safetensors
from hub.interface import Format


def test_the_hook_brings_the_format() -> None:
    (found,) = hub_safetensors.hub_formats()
    assert isinstance(found, Format)
    assert (found.name, found.extensions, found.alignment) == ("safetensors", (".safetensors",), 8)


def test_importing_it_loads_no_format_library() -> None:
    code = "import sys, hub_safetensors; print([m for m in ('safetensors', 'tokenizers', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
