"""The packages that run a model, as they are installed here: which, and which of their files a bundle needs."""

from __future__ import annotations

import hashlib
import importlib.util
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.errors import DamagedFile, HubError, NoPlugin

ROOTS = ("hub-runtime", "hub-deploy")

# Our own packages are taken as they are imported, be it from a checkout.
OURS = {"hub-core": "hub", "hub-gguf": "hub_gguf", "hub-runtime": "hub_runtime", "hub-deploy": "hub_deploy"}

# Named by a package of the list and imported by none of what a bundle does.
LEFT_OUT = frozenset({"gguf"})

# What no run needs: tests, types, headers of native code, our converting kernels, what pip wrote down.
_DROPPED = (
    "*/tests/*", "*.pyi", "*.h", "*.hpp", "*.a", "*.pxd", "*.pyx", "*/__pycache__/*", "__pycache__/*", "../*",
    "include/*", "lib/*", "bin/*", "numpy/f2py/*", "numpy/_core/lib/*", "hub_deploy/wasm/*",
    "hub/codecs/native/*.so", "hub/demo.py", "*/RECORD", "*/INSTALLER", "*/REQUESTED", "*/direct_url.json",
    "*/uv_cache.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file of a package: its `name` in the bundle, where it lies, its SHA-256 by the wheel, when that says one."""

    name: str
    path: Path
    digest: str | None

    def read(self) -> bytes:
        """Its bytes. `DamagedFile` when they are not what the wheel brought."""
        data = self.path.read_bytes()
        found = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if self.digest not in (None, found):
            raise DamagedFile("is not what its package installed", file=self.path, hint="install the package anew")
        return data


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package; `license` in its own words, None when it has none."""

    name: str
    version: str
    license: str | None
    files: tuple[File, ...]


def packages() -> list[Package]:
    """The packages that `ROOTS` need, by name. `NoPlugin` when the runtime is not installed."""
    found: dict[str, Distribution] = {}
    waiting = list(ROOTS)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found and name not in LEFT_OUT:
            found[name] = _distribution(name)
            waiting += list(_required(found[name]))
    return [_package(name, found[name]) for name in sorted(found)]


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        hint = "hub runtime install adds it" if name in ("hub-runtime", "llama-cpp-python") else f"pip install {name}"
        raise NoPlugin(f"a bundle holds {name}, which is not installed here", hint=hint) from None


def _required(found: Distribution) -> Iterator[str]:
    for text in found.requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield wanted.name


def _package(name: str, found: Distribution) -> Package:
    files = found.files
    if files is None:
        raise HubError(f"the package {name} has no list of its files (RECORD)", hint="install it with pip")
    listed = [_file(one) for one in files]
    if name in OURS:
        about = [replace(f, digest=None) for f in listed if ".dist-info/" in f.name]  # a checkout's may be edited
        listed = about + list(_imported(OURS[name]))
    kept = {f.name: f for f in listed if not any(fnmatch(f.name, pattern) for pattern in _DROPPED)}
    return Package(name, found.version, _license(found), tuple(kept[n] for n in sorted(kept) if kept[n].path.is_file()))


def _file(one: PackagePath) -> File:
    digest = one.hash.value if one.hash is not None and one.hash.mode == "sha256" else None
    return File(one.as_posix(), Path(str(one.locate())), digest)


def _imported(module: str) -> Iterator[File]:
    """The files of a package of ours, from where it is imported."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise HubError(f"{module} cannot be imported", hint="install it anew")
    root = Path(spec.origin).parent
    for path in root.rglob("*"):
        if path.is_file():
            yield File(f"{module}/{path.relative_to(root).as_posix()}", path, None)


def _license(found: Distribution) -> str | None:
    """The SPDX expression, else the first line of the field, else what the classifiers say."""
    stated = [*_field(found, "License-Expression"), *_field(found, "License")]
    classified = [c.rpartition(" :: ")[2] for c in _field(found, "Classifier") if c.startswith("License ::")]
    lines = [text.strip().split("\n")[0] for text in stated]
    return next(filter(None, lines), None) or ", ".join(classified) or None


def _field(found: Distribution, name: str) -> list[str]:
    return found.metadata.get_all(name) or []
