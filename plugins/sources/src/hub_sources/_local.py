"""file:///PATH and plain paths: models on the own disk."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub.errors import UsageError
from hub.locating import named
from hub.signing import usual_signature
from hub_sources._digests import copy
from hub_sources._shards import shards
from hub_sources.interface import Obtained, Wish


class Local:
    """The own disk. A file comes with the other shards of its model and its signature, a folder with all in it."""

    name = "file"
    schemes: tuple[str, ...] = ("file",)

    def fetch(self, address: str, into: Path) -> Path:
        """A copy of the model at `address`."""
        return self.obtain(address, into, Wish()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """A copy of the model at `address`, a file:// address or a path."""
        check_wish(address, wish)
        path = local_path(address)
        root = path if path.is_dir() else path.absolute().parent
        names = [p.relative_to(root) for p in _files(path, root)]
        target = into / path.absolute().name if path.is_dir() else into
        wish.progress.start("copy", sum((root / name).stat().st_size for name in names))
        parts = [copy(root / name, target / name, None, wish.progress, name.as_posix()) for name in names]
        return Obtained(into / path.absolute().name, tuple(parts))


def check_wish(address: str, wish: Wish) -> None:
    """`UsageError` for what has no effect on the own disk."""
    if wish.offline:
        raise UsageError("--offline has no effect on a file", file=address)
    if wish.quantization is not None:
        raise UsageError("--quantization has no effect on a copy", file=address, hint="hub convert --encode re-encodes")


def local_path(address: str) -> Path:
    """The path that a file:// address, a path or a name says; `UsageError` for another machine's, and for none."""
    path = Path(address)
    if address.lower().startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in {"", "localhost"}:
            raise UsageError("is on another machine; file:///PATH was expected", file=address)
        path = Path(unquote(parts.path))
    elif not path.exists():
        path = named(address) or path
    if not path.exists():
        raise UsageError("no such file or folder", file=path, hint="hf://ORG/REPO is one on the Hugging Face Hub")
    return path


def _files(path: Path, root: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    whole = [root / name for name in shards(path.name)] or [path.absolute()]
    return [*whole, *(s for s in map(usual_signature, whole) if s.is_file())]
