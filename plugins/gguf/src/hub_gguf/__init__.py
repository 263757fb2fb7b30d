"""GGUF for hub: the format that llama.cpp and its relatives run."""

from collections.abc import Sequence

from hub.hookspecs import hookimpl
from hub.interface import Format
from hub_gguf._format import GgufFormat

__all__ = ["GgufFormat", "hub_formats"]


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The format this plugin brings."""
    return [GgufFormat()]
