"""SafeTensors files and Hugging Face model folders for the hub."""

from __future__ import annotations

from collections.abc import Sequence

from hub.hookspecs import hookimpl
from hub.interface import Format
from hub_safetensors._format import SafeTensors

__all__ = ["SafeTensors", "hub_formats"]


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The format that this plugin brings."""
    return [SafeTensors()]
