"""What `hub formats` and `hub plugins` say about the installation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import EntryPoint

from hub import points
from hub.interface import Capabilities, Format
from hub.plugins import PluginInfo, Problem, Registry


@dataclass(frozen=True, slots=True)
class FormatLine:
    """One format of a plugin.

    `drops` names what it cannot hold, `options` the write options that have an effect on it.
    """

    name: str
    title: str
    plugin: str
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
class PluginLine:
    """One plugin and the names of all that it provides; one that brings commands alone has its distribution's name."""

    name: str
    distribution: str
    version: str
    formats: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PluginList:
    """All plugins, and those that could not be used."""

    plugins: tuple[PluginLine, ...]
    problems: tuple[Problem, ...]


def list_formats(found: Registry) -> FormatList:
    """The formats of `found`, by name."""
    lines = tuple(_line(f, found.plugin_of("formats", name)) for name, f in sorted(found.formats.items()))
    return FormatList(lines, tuple(found.problems))


def list_plugins(found: Registry, reserved: Collection[str] = ()) -> PluginList:
    """The plugins of `found` and of the commands that are installed; `reserved` are names that no plugin can take."""
    lines = {p.name: PluginLine(**{f.name: getattr(p, f.name) for f in fields(PluginInfo)}) for p in found.plugins}
    problems = list(found.problems)
    failed = {p.plugin for p in problems}
    for command, brought in points.command_points().items():
        for point in brought:
            owner = points.owner_of(point)
            name = owner.name if owner else points.distribution(point)
            if name in failed:
                continue
            why = _unusable(command, brought, reserved)
            if why:
                problems.append(Problem(name, why))
                continue
            line = lines.get(name) or PluginLine(name, points.distribution(point), points.version(point))
            lines[name] = replace(line, commands=(*line.commands, command))
    return PluginList(tuple(lines.values()), tuple(problems))


def _unusable(command: str, brought: Sequence[EntryPoint], reserved: Collection[str]) -> str:
    """Why nobody reaches a command of a plugin; empty when it is reached."""
    if command in reserved:
        return f"its command {command} is hub's own"
    if len(brought) > 1:
        return f"its command {command} is brought by {' and '.join(map(points.distribution, brought))}"
    return ""


def _line(f: Format, plugin: str) -> FormatLine:
    able = {c.name: getattr(f.capabilities, c.name) for c in fields(Capabilities) if c.name != "encodings"}
    encodings = tuple(sorted(f.capabilities.encodings))
    drops, options = tuple(sorted(f.drops)), tuple(sorted(f.supports))
    return FormatLine(f.name, f.title or f.name, plugin, f.extensions, f.alignment, able, encodings, drops, options)
