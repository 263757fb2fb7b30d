"""Finding plugins and asking them who a file belongs to.

The loader is our own: pluggy's stops at the first plugin that fails to import. Here a broken plugin is named in
`Registry.problems` and the rest goes on. `HUB_DISABLE_PLUGINS=a,b` leaves plugins out, `HUB_PLUGINS=module,...` adds
modules that no entry point names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from hub import hookspecs
from hub.errors import HubError, NoPlugin, PluginError, UsageError
from hub.interface import Codec, Format, Runtime, Source

T = TypeVar("T")

HEAD = 4096

# Formats that others may bring, told by extension, and the packages that would read them.
ELSEWHERE = {
    ".onnx": "hub-onnx", ".npz": "hub-npz", ".h5": "hub-keras", ".keras": "hub-keras", ".mlx": "hub-mlx",
}  # fmt: skip
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin: entry point name, distribution and version, and the names of what it brought."""

    name: str
    distribution: str
    version: str
    formats: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A plugin that could not be used, and why."""

    plugin: str
    message: str


@dataclass
class Registry:
    """The formats of all loaded plugins, the plugins themselves, and what went wrong."""

    formats: dict[str, Format] = field(default_factory=dict)
    codecs: dict[str, Codec] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    runtimes: dict[str, Runtime] = field(default_factory=dict)
    plugins: list[PluginInfo] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager("hub"))

    def named(self, name: str) -> Format:
        """The format called `name`; `NoPlugin` lists the names there are."""
        if name not in self.formats:
            raise NoPlugin(f"no plugin brings a format {name!r}", hint=f"installed: {self._names()}")
        return self.formats[name]

    def provider(self, runtime: Runtime) -> str:
        """The plugin that brought `runtime`."""
        return next(p.name for p in self.plugins if runtime.name in p.runtimes)

    def find(self, path: Path, name: str | None = None) -> Format:
        """The format that `path` is in, told by its content, or `name`'s when given.

        A file that nobody claims goes to the format whose extension it has: its reader says where the damage is.
        `NoPlugin` when there is none, `PluginError` naming both when two claim it.
        """
        if name is not None:
            return self.named(name)
        if not path.exists():
            raise UsageError("no such file or folder", file=path)
        head = _head(path)
        claims = [f for f in self.formats.values() if self._claims(f, path, head)]
        if len(claims) == 1:
            return claims[0]
        if claims:
            names = " and ".join(f.name for f in claims)
            raise PluginError(f"claimed by {names}", file=path, hint="say which with --from")
        named = self.by_extension(path) if path.is_file() and extension(path) else None
        if named is None:
            raise self._nobody(path, head)
        return named

    def by_extension(self, path: Path) -> Format | None:
        """The format whose extension `path` ends in; a path without extension belongs to a format of folders."""
        suffix = extension(path)
        for candidate in self.formats.values():
            if suffix in candidate.extensions or (not suffix and candidate.capabilities.folder):
                return candidate
        return None

    def _claims(self, candidate: Format, path: Path, head: bytes) -> bool:
        if candidate.magic and path.is_file() and not any(m.matches(head) for m in candidate.magic):
            return False
        try:
            return candidate.sniff(path, head)
        except HubError:
            raise
        except Exception as error:
            raise PluginError(f"raised {error!r} while sniffing", file=path, plugin=candidate.name) from error

    def _nobody(self, path: Path, head: bytes) -> NoPlugin:
        suffix = extension(path)
        if suffix in PICKLES:
            return NoPlugin("pickle files can run code and are never read", file=path, hint="use its SafeTensors form")
        if suffix in ELSEWHERE and suffix not in {e for f in self.formats.values() for e in f.extensions}:
            package = ELSEWHERE[suffix]
            return NoPlugin(f"no plugin reads {suffix}", file=path, hint=f"a package such as {package} would")
        seen = f"its first bytes are {head[:8].hex(' ')}" if head else "it is empty or a folder without a model"
        return NoPlugin(f"no installed plugin reads this; {seen}", file=path, hint=f"installed: {self._names()}")

    def _names(self) -> str:
        return ", ".join(sorted(self.formats)) or "none; try pip install hub-gguf hub-safetensors hub-apr"


def extension(path: Path) -> str:
    """The extension of `path` in lower case; empty for a folder, and for names such as Qwen2.5-0.5B or model-v0.1.

    What follows the last dot of those starts with a digit, which no format's extension does.
    """
    suffix = path.suffix.lower()
    return "" if path.is_dir() or suffix[1:2].isdigit() else suffix


def _head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(HEAD)


def _points() -> Iterator[tuple[str, str, str, EntryPoint | None]]:
    """Name, distribution, version and entry point of each plugin; modules of HUB_PLUGINS have no entry point."""
    off = set(os.environ.get("HUB_DISABLE_PLUGINS", "").split(","))
    for point in sorted(entry_points(group=hookspecs.GROUP), key=lambda p: p.name):
        dist = point.dist
        if point.name not in off and (dist is None or dist.name not in off):
            yield point.name, dist.name if dist else "?", dist.version if dist else "?", point
    for module in filter(None, os.environ.get("HUB_PLUGINS", "").split(",")):
        yield module, module, "?", None


def _import(name: str, point: EntryPoint | None) -> ModuleType:
    return import_module(name) if point is None else point.load()


def _asked(found: Registry, hook: str, module: object) -> list[Any]:
    """What `module` alone returns for a hook that is asked once."""
    others = [p for p in found.manager.get_plugins() if p is not module]
    return [thing for group in found.manager.subset_hook_caller(hook, others)() for thing in group]


def _claimed(table: dict[str, T], kind: str, things: Iterable[T]) -> dict[str, T]:
    """`things` by name; `PluginError` when a name is taken."""
    new: dict[str, T] = {}
    for thing in things:
        name = thing.name  # type: ignore[attr-defined]  # every kind has one
        if name in table or name in new:
            raise PluginError(f"brings a {kind} {name!r}, which another plugin brings already")
        new[name] = thing
    return new


def _add(found: Registry, plugin: str, distribution: str, version: str, module: object) -> None:
    found.manager.register(module, plugin)
    found.manager.check_pending()
    formats, provided = _asked(found, "hub_formats", module), _asked(found, "hub_provides", module)
    for one in formats:
        if not isinstance(one, Format):
            raise PluginError(f"{type(one).__name__} lacks members of hub.interface.Format")
    for one in provided:
        if not isinstance(one, Codec | Source | Runtime):
            raise PluginError(f"{type(one).__name__} is no Codec, Source or Runtime of hub.interface")
    new: list[dict[str, Any]] = [
        _claimed(found.formats, "format", formats),
        _claimed(found.codecs, "codec", [p for p in provided if isinstance(p, Codec)]),
        _claimed(found.sources, "source", [p for p in provided if isinstance(p, Source)]),
        _claimed(found.runtimes, "runtime", [p for p in provided if isinstance(p, Runtime)]),
    ]
    tables: tuple[dict[str, Any], ...] = (found.formats, found.codecs, found.sources, found.runtimes)
    for table, things in zip(tables, new, strict=True):
        table.update(things)
    found.plugins.append(PluginInfo(plugin, distribution, version, *(tuple(things) for things in new)))


def load() -> Registry:
    """Import every plugin; one that fails is named in `problems` and the rest goes on."""
    found = Registry()
    found.manager.add_hookspecs(hookspecs)
    for name, distribution, version, point in _points():
        module: object = None
        try:
            module = _import(name, point)
            _add(found, name, distribution, version, module)
        except Exception as error:  # a stranger's plugin may raise anything, and must not stop the others
            found.problems.append(Problem(name, f"{type(error).__name__}: {error}"))
            if module is not None and found.manager.is_registered(module):
                found.manager.unregister(module)
    return found


@cache
def registry() -> Registry:
    """The plugins of this process, loaded once."""
    return load()
