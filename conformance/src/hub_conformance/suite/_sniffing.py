"""A file is told by its content: by its own format, and by no other."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.errors import HubError
from hub.interface import Format
from hub.plugins import registry
from hub_conformance.notation import words
from hub_conformance.suite._case import HEAD, FormatCase, declared, expect
from hub_conformance.suite._roundtrip import TripCase
from hub_conformance.suite._trip import Trips


def claims(fmt: Format, path: Path) -> bool:
    """True when `fmt` says that the file or folder is its own, asked as the hub asks."""
    head = path.open("rb").read(HEAD) if path.is_file() else b""
    if fmt.magic and path.is_file() and not any(magic.matches(head) for magic in fmt.magic):
        return False
    return fmt.sniff(path, head)


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("notes.txt", "no model")
    return out.getvalue()


# Files that are no model of any kind, by name.
FOREIGN: Mapping[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "one byte": lambda: b"\0",
    "zeros": lambda: bytes(HEAD),
    "ones": lambda: b"\xff" * HEAD,
    "random": lambda: words(1, 0, HEAD).tobytes(),
    "text": lambda: b"A model was here once.\n" * 50,
    "JSON object": lambda: json.dumps({"name": "no model", "tensors": 3}).encode(),
    "JSON list": lambda: b"[1, 2, 3]",
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(64),
    "ZIP": _zipped,
    "gzip": lambda: gzip.compress(b"no model", mtime=0),
    "ELF": lambda: b"\x7fELF\x02\x01\x01" + bytes(64),
    "pickle": lambda: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "SQLite": lambda: b"SQLite format 3\0" + bytes(100),
    "HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(100),
}


class SniffingTests(TripCase):
    """Who claims which file."""

    def test_found_by_content(self, fmt: Format, trips: Trips, vector: str) -> None:
        """The format claims what it writes, and no other installed format does."""
        trip = trips.to(vector).reached()
        if trip.path is not None:
            _found(fmt, trip.path)

    def test_found_under_another_extension(self, fmt: Format, trips: Trips, tmp_path: Path) -> None:
        """A file is told by its content, whatever it is called."""
        trip = trips.to("native").reached()
        if trip.path is None or trip.path.is_dir():
            declared(f"{fmt.name} is a folder")
            return
        for name in ("model.bin", "model", "model.gguf", "model.safetensors", "MODEL.TXT"):
            _found(fmt, Path(shutil.copy(trip.path, tmp_path / name)))

    def test_claims_nothing_foreign(self, fmt: Format, tmp_path: Path) -> None:
        """Files that hold no model, and an empty folder, are not claimed."""
        claimed = [name for name, path in _foreign(fmt, tmp_path) if claims(fmt, path)]
        expect(not claimed, f"claims files that are none of its own: {', '.join(claimed)}")

    def test_claims_nothing_of_its_peers(self, fmt: Format, tmp_path: Path) -> None:
        """What other installed formats write is not claimed."""
        for peer in registry().formats.values():
            if peer.name != fmt.name and peer.capabilities.writes:
                (tmp_path / peer.name).mkdir()
                trip = Trips(peer, tmp_path / peer.name).to("native")
                if trip.path is not None and not trip.path.is_dir():
                    expect(not claims(fmt, trip.path), f"claims a file that {peer.name} wrote")


class ForeignTests(FormatCase):
    """What a reader makes of files that are none of its own."""

    def test_foreign_files_are_refused(self, fmt: Format, tmp_path: Path) -> None:
        """Reading a file that is none of its own raises a `HubError`."""
        for name, path in _foreign(fmt, tmp_path):
            try:
                fmt.read(path)
            except HubError:
                continue
            expect(False, f"reads a file that is no model: {name}")

    def test_foreign_files_are_not_valid(self, fmt: Format, tmp_path: Path) -> None:
        """Validating one finds a stage that fails, and raises nothing."""
        for name, path in _foreign(fmt, tmp_path):
            expect(any(f.outcome == "FAIL" for f in fmt.validate(path)), f"finds nothing wrong with {name}")


def _found(fmt: Format, path: Path) -> None:
    expect(claims(fmt, path), f"does not claim {path.name}, which it wrote")
    others = [other.name for other in registry().formats.values() if other.name != fmt.name and claims(other, path)]
    expect(not others, f"{path.name} is claimed by {', '.join(others)} as well")


def _foreign(fmt: Format, folder: Path) -> list[tuple[str, Path]]:
    """Foreign files under the format's own extension."""
    found = []
    for number, (name, make) in enumerate(FOREIGN.items()):
        path = folder / f"{number}{fmt.extensions[0] if fmt.extensions else '.bin'}"
        path.write_bytes(make())
        found.append((name, path))
    if fmt.capabilities.folder:
        (folder / "empty-folder").mkdir()
        found.append(("an empty folder", folder / "empty-folder"))
    return found
