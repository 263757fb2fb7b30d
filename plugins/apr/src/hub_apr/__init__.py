"""The APR format for hub: reads every dialect, writes APR v2, validates."""

from __future__ import annotations

from hub.hookspecs import hookimpl
from hub_apr._format import APR

__all__ = ["APR", "hub_formats"]


@hookimpl
def hub_formats() -> list[APR]:
    """The format this plugin brings."""
    return [APR()]
