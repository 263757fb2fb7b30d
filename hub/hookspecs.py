"""The eight hooks of contract `hub.v1`: what a plugin may implement, through pluggy.

A plugin is a module named by an entry point in the group `hub.v1`:

    [project.entry-points."hub.v1"]
    npz = "hub_npz"

and marks its functions with `hub.hookspecs.hookimpl`. All of them are optional, and each may take any part of the
arguments. Two declare what a plugin brings, and are called once, when it is loaded; the others are events.

Every event calls one plugin after another, the last one loaded first; `hookimpl(tryfirst=True)` and `trylast` move
one. Whatever a plugin raises names it: a `HubError` goes through with `plugin` set, anything else becomes a
`PluginError`. docs/contract.md says it all, with examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from hub.interface import Codec, Finding, Format, Plan, Runtime, Seal, Source, Use
    from hub.ir import Model
    from hub.pipeline import Report

hookspec = pluggy.HookspecMarker("hub")
hookimpl = pluggy.HookimplMarker("hub")


@hookspec
def hub_formats() -> Sequence[Format]:  # type: ignore[empty-body]  # a specification has no body
    """Formats this plugin brings: instances, made without heavy imports."""


@hookspec
def hub_provides() -> Sequence[Codec | Source | Runtime]:  # type: ignore[empty-body]
    """What else this plugin brings: faster codecs, sources of models, programs that run them."""


@hookspec
def hub_checks(path: Path, model: Model) -> Iterable[Finding]:  # type: ignore[empty-body]
    """Further stages of `hub check` for the `model` opened from `path`; called when it could be opened.

    A finding's stage is "PLUGIN:WHAT", PLUGIN being the plugin's own name. A `HubError` is a FAIL.
    """


@hookspec
def hub_before_load(path: Path, use: Use) -> Seal | None:
    """Called before any reader sees a byte of the model at `path`, once for each work on it.

    `use` is what for: "look" (inspect, tensors, check, validate, diff), "convert", "run" or "sign". Raise `HubError` to
    refuse the model. A `Seal` that is returned is asked again after opening and when the work is done.
    """


@hookspec
def hub_before_convert(plan: Plan) -> None:
    """Called with the plan before anything is written, in a dry run too; raise `HubError` to stop the conversion."""


@hookspec
def hub_before_write(plan: Plan, target: Path) -> None:
    """Called just before the first byte is written, not in a dry run; raise `HubError` to stop the conversion.

    `target` is the final path, where nothing is yet.
    """


@hookspec
def hub_after_write(report: Report, paths: Sequence[Path]) -> None:
    """Called when the verified files are in place: `paths` are the files, or the one folder.

    An error cannot undo that: the model stays, the other plugins are called all the same, and the conversion ends in
    `hub.pipeline.Unfinished`, exit code 2.
    """


@hookspec
def hub_after_convert(report: Report) -> None:
    """Called when a conversion did not fail, after all else, in a dry run too (`report.dry_run`).

    Errors are those of `hub_after_write`.
    """
