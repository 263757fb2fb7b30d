"""The conformance suite for formats of the hub.

`FormatConformance` holds all tests, for people who want them inside their own pytest:

    from hub_conformance import FormatConformance

    class TestNpz(FormatConformance):
        format = "npz"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub_conformance.suite import FormatConformance

__all__ = ["FormatConformance"]


def __getattr__(name: str) -> Any:
    """`FormatConformance`, imported when asked for: it needs pytest, and the command's help does not."""
    if name == "FormatConformance":
        from hub_conformance.suite import FormatConformance

        return FormatConformance
    raise AttributeError(name)
