"""The hooks of contract `hub.v1`: what a plugin may implement, through pluggy.

A plugin is a module named by an entry point in the group `hub.v1`:

    [project.entry-points."hub.v1"]
    npz = "hub_npz"

and marks its functions with `hub.hookspecs.hookimpl`. All of them are optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from hub.interface import Finding, Format

GROUP = "hub.v1"

hookspec = pluggy.HookspecMarker("hub")
hookimpl = pluggy.HookimplMarker("hub")


@hookspec
def hub_formats() -> Sequence[Format]:  # type: ignore[empty-body]  # a specification has no body
    """Formats this plugin brings."""


@hookspec
def hub_before_convert(plan: Any) -> None:
    """Called with the `hub.interface.Plan` before anything is written; raise `HubError` to stop the conversion."""


@hookspec
def hub_after_convert(report: Any) -> None:
    """Called with the `hub.pipeline.Report` when the target is in place."""


@hookspec(firstresult=True)
def hub_smoke_test(path: Path) -> Finding | None:
    """What one small forward pass of the model at `path` showed, for the inference stage of `hub check`.

    Called only for a model whose other stages hold. None leaves the answer to another plugin.
    """
