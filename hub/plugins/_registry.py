"""What the plugins of this process brought, and which of them a file belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pluggy

from hub.errors import HubError, NoPlugin, PluginError, UsageError
from hub.interface import Codec, Format, Runtime, Source
from hub.plugins._deadline import Late, within

HEAD = 4096
"""Bytes of a file that `Format.sniff` is given."""

# Seconds in which a format says whether a file is its own; it looks at a few bytes, or lists a folder.
SNIFFING = 10.0

# Formats that others may bring, told by extension, and the packages that would read them.
ELSEWHERE = {
    ".onnx": "hub-onnx", ".npz": "hub-npz", ".h5": "hub-keras", ".keras": "hub-keras", ".mlx": "hub-mlx",
}  # fmt: skip
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
ENCRYPTED = b"hub.enc"  # what `hub encrypt` writes begins so


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin: entry point name, distribution and version, the names of what it brought, its event hooks."""

    name: str
    distribution: str
    version: str
    formats: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()


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

    def plugin_of(self, kind: str, name: str) -> str:
        """The plugin that brought `name`, one of the "formats", "codecs", "sources" or "runtimes"."""
        return next(p.name for p in self.plugins if name in getattr(p, kind))

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
        claims = [f for f in list(self.formats.values()) if self._claims(f, path, head)]
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
            return bool(within(SNIFFING, lambda: candidate.sniff(path, head)))
        except HubError:
            raise
        except Late:
            self._leave_out(candidate, f"did not say within {SNIFFING:g} s whether {path} is its own")
        except Exception as error:  # a stranger's code may raise anything, and must not stop the others
            self._leave_out(candidate, f"raised {error!r} when asked whether {path} is its own")
        return False

    def _leave_out(self, candidate: Format, why: str) -> None:
        """Go on without a format that cannot be asked."""
        self.problems.append(Problem(self.plugin_of("formats", candidate.name), f"the format {candidate.name} {why}"))
        del self.formats[candidate.name]

    def _nobody(self, path: Path, head: bytes) -> NoPlugin:
        suffix = extension(path)
        if suffix in PICKLES:
            return NoPlugin("pickle files can run code and are never read", file=path, hint="use its SafeTensors form")
        if suffix in ELSEWHERE and suffix not in {e for f in self.formats.values() for e in f.extensions}:
            package = ELSEWHERE[suffix]
            return NoPlugin(f"no plugin reads {suffix}", file=path, hint=f"a package such as {package} would")
        if head.startswith(ENCRYPTED):
            return NoPlugin("is encrypted", file=path, hint="hub decrypt opens it, for those who may")
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
