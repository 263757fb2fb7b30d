"""llama.cpp for the browser: the npm package @wllama/wllama, fetched by the user's npm and compared with its digests.

Nothing of it is in this package. What is fetched once is kept in the cache of hub (HUB_CACHE, or hub in XDG_CACHE_HOME
or ~/.cache) and serves every later site, also without a network.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256, sha512
from pathlib import Path

from hub.errors import HubError

PACKAGE, VERSION = "@wllama/wllama", "3.13.0"
_WANTED = f"{PACKAGE}@{VERSION}"
# `npm view @wllama/wllama@3.13.0 dist.integrity`: the SHA-512 of the archive.
_INTEGRITY = "ZvoRdQAn+E+18EvQ9qS036gudiI9rbZRBJgG/qNICPPwrA0Y6SMMdbziz/j7K/0WxcbJlhaRraVIYsnEy732NA=="
# Its files that a site needs: where they lie in a site, and their SHA-256.
_FILES = {
    "esm/index.js": ("wllama/index.js", "fffd95c16ca191f31f4303664a05189c43d0cb20c52b67276c04e8857b138b64"),
    "esm/wasm/wllama.wasm": ("wllama/wllama.wasm", "79ac5be917b71d50571a4f584436a9f6baf6b6e57719d094ed8bd950e9a65780"),
    "LICENCE": ("wllama/LICENCE", "5866e3bd7e3cbd3f7c8bea6efd8a1e7fa7cc8de68c30f428aff7c6584a0fb720"),
}
_NOTHING = subprocess.DEVNULL
_PATIENCE = 300.0  # seconds for npm to fetch 3.5 MB


@dataclass(frozen=True)
class Wllama:
    """The package's files as a site has them, path to bytes, and where they came from."""

    files: Mapping[str, bytes]
    origin: str


def wllama(given: Path | None = None) -> Wllama:
    """The package: `given` (its archive, or a folder it was unpacked into), or the cache's, or what npm fetches.

    `HubError` when a file of it has another digest than the one that is known, and when there is no npm.
    """
    if given is not None:
        return Wllama(_checked(_unpacked(given) if given.is_file() else _in_folder(given), given), str(given))
    kept = _cache() / f"wllama-{VERSION}.tgz"
    if kept.is_file():
        return Wllama(_checked(_unpacked(kept), kept), "cache")
    archive = _fetched()
    files = _checked(_unpacked_bytes(archive, kept), kept)
    _keep(archive, kept)
    return Wllama(files, "npm")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HUB_CACHE") or Path(home) / "hub") / "npm"


def _fetched() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise HubError(
            f"{_WANTED} is not in the cache, and there is no npm to fetch it",
            hint=f"install Node.js, or fetch it elsewhere with npm pack {_WANTED} and give the file with --wllama",
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", _WANTED, "--ignore-scripts", "--pack-destination", folder]
        try:
            done = subprocess.run(  # noqa: S603  # the user's own npm, and words of ours
                command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False, stdin=_NOTHING
            )
        except subprocess.TimeoutExpired as error:
            raise HubError(f"npm did not fetch {_WANTED} within {_PATIENCE:.0f} s") from error
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(found) != 1:
            said = next((line for line in reversed(done.stderr.splitlines()) if "error" in line.lower()), "")
            raise HubError(f"npm did not fetch {_WANTED}: {said.strip() or f'exit code {done.returncode}'}")
        return found[0].read_bytes()


def _keep(archive: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(archive)
    Path(file.name).replace(path)


def _unpacked(path: Path) -> dict[str, bytes]:
    return _unpacked_bytes(path.read_bytes(), path)


def _unpacked_bytes(archive: bytes, path: Path) -> dict[str, bytes]:
    """The files that are needed, from an archive that is compared before it is opened."""
    found = base64.b64encode(sha512(archive).digest()).decode()
    if found != _INTEGRITY:
        raise HubError(
            f"this is not {_WANTED}: its SHA-512 is {found}, {_INTEGRITY} was expected", file=path,
            hint="remove the file: the next run fetches it again" if path.parent == _cache() else None,
        )  # fmt: skip
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as tar:
            opened = {name: tar.extractfile(f"package/{name}") for name in _FILES}
            return {name: member.read() for name, member in opened.items() if member is not None}


def _in_folder(folder: Path) -> dict[str, bytes]:
    roots = (folder, folder / "package", folder / "node_modules" / PACKAGE)
    root = next((root for root in roots if (root / "esm").is_dir()), None)
    if root is None:
        raise HubError(f"there is no {PACKAGE} in this folder", file=folder, hint=f"npm pack {_WANTED} fetches it")
    return {name: (root / name).read_bytes() for name in _FILES if (root / name).is_file()}


def _checked(found: Mapping[str, bytes], where: Path) -> dict[str, bytes]:
    """The files under their names in a site, each as it is known."""
    out = {}
    for name, (path, expected) in _FILES.items():
        digest = sha256(found[name]).hexdigest() if name in found else "missing"
        if digest != expected:
            raise HubError(
                f"{name} is not that of {_WANTED}: its SHA-256 is {digest}, {expected} was expected", file=where
            )
        out[path] = found[name]
    return out
