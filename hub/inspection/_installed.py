"""What `hub formats` and `hub plugins` say about the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hub.interface import Capabilities, Format
from hub.plugins import PluginInfo, Problem, Registry


@dataclass(frozen=True, slots=True)
class FormatLine:
    """One format. `drops` names what it cannot hold, `options` the write options that have an effect on it."""

    name: str
    title: str
    extensions: tuple[str, ...]
    alignment: int | None
    capabilities: Mapping[str, bool]
    encodings: tuple[str, ...]
    drops: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormatList:
    """All formats, and the plugins that could not be used."""

    formats: tuple[FormatLine, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class PluginList:
    """All plugins, and those that could not be used."""

    plugins: tuple[PluginInfo, ...]
    problems: tuple[Problem, ...]


def list_formats(found: Registry) -> FormatList:
    """The formats of `found`, by name."""
    lines = tuple(_line(f) for _, f in sorted(found.formats.items()))
    return FormatList(lines, tuple(found.problems))


def list_plugins(found: Registry) -> PluginList:
    """The plugins of `found`."""
    return PluginList(tuple(found.plugins), tuple(found.problems))


def _line(f: Format) -> FormatLine:
    able = {c.name: getattr(f.capabilities, c.name) for c in fields(Capabilities) if c.name != "encodings"}
    encodings = tuple(sorted(f.capabilities.encodings))
    drops, options = tuple(sorted(f.drops)), tuple(sorted(f.supports))
    return FormatLine(f.name, f.title or f.name, f.extensions, f.alignment, able, encodings, drops, options)
