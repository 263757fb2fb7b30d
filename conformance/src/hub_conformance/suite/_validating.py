"""Validation and damage: what is whole passes, what is damaged is named, and nothing but a `HubError` is raised."""

from __future__ import annotations

import shutil
from pathlib import Path

from hub.errors import HubError
from hub.interface import Finding, Format
from hub.ir import Model
from hub_conformance.notation import differences, dump, words
from hub_conformance.suite._case import declared, disabled, expect, expect_none, within
from hub_conformance.suite._roundtrip import TripCase
from hub_conformance.suite._trip import Trips

# Vectors whose files are damaged: one with everything in its head, one with blocks.
_DAMAGED = ("native", "llama-spm-tied")
_CUTS, _FLIPS = 48, 64


class ValidatingTests(TripCase):
    """`validate`, and reading what is damaged."""

    def test_what_it_writes_is_valid(self, fmt: Format, trips: Trips, vector: str) -> None:
        """Every stage passes or is skipped with a reason."""
        trip = trips.to(vector).reached()
        if trip.path is None:
            disabled("nothing was written")
        found = list(fmt.validate(trip.path))
        expect_none([f"{f.stage}: {f.detail}" for f in found if f.outcome == "FAIL"])
        expect(any(f.outcome == "PASS" for f in found), "no stage passes")

    def test_findings_say_why(self, fmt: Format, trips: Trips) -> None:
        """Each finding is a `Finding` with a detail."""
        trip = trips.to("native").reached()
        if trip.path is not None:
            found = list(fmt.validate(trip.path))
            expect(all(isinstance(f, Finding) and f.detail for f in found), "a finding has no detail")

    @within(60)
    def test_truncation_is_noticed(self, fmt: Format, trips: Trips, tmp_path: Path) -> None:
        """A file that ends early, anywhere, is found invalid or cannot be read; or nothing is missing from it."""
        for name in _DAMAGED:
            trip = trips.to(name)
            if trip.path is None or trip.read is None:
                continue
            path = Path(shutil.copy(_weights(fmt, trip.path), tmp_path / f"{name}{_suffix(fmt)}"))
            size, whole = path.stat().st_size, dump(trip.read, digests=True)
            for cut in _cuts(size):
                with path.open("r+b") as file:
                    file.truncate(cut)
                expect(_noticed(fmt, path, whole), f"{name}: cut to {cut} of {size} bytes, and nothing is found")

    @within(60)
    def test_damage_is_a_hub_error(self, fmt: Format, trips: Trips, tmp_path: Path) -> None:
        """Whatever byte is changed, reading and validating raise nothing but a `HubError`."""
        for name in _DAMAGED:
            trip = trips.to(name)
            if trip.path is None or trip.read is None:
                continue
            source = _weights(fmt, trip.path).read_bytes()
            path = tmp_path / f"{name}{_suffix(fmt)}"
            for at, value in _flips(len(source)):
                path.write_bytes(source[:at] + bytes([source[at] ^ value]) + source[at + 1 :])
                try:
                    list(fmt.validate(path))
                    consume(fmt.read(path))
                except HubError:
                    continue
                except Exception as error:
                    raise AssertionError(f"{name}: byte {at} changed, and it raises {error!r}") from error

    def test_validate_raises_nothing_for_a_missing_end(self, fmt: Format, trips: Trips, tmp_path: Path) -> None:
        """`validate` tells of a file that is cut, and does not raise."""
        trip = trips.to("native").reached()
        if trip.path is None:
            declared("nothing is written")
        path = Path(shutil.copy(_weights(fmt, trip.path), tmp_path / f"cut{_suffix(fmt)}"))
        for cut in _cuts(path.stat().st_size):
            with path.open("r+b") as file:
                file.truncate(cut)
            list(fmt.validate(path))


def consume(model: Model) -> None:
    """Ask for everything that a reader leaves for later."""
    model.tokenizer.get()
    model.source.get()
    for data in model.files.values():
        len(data)
    for tensor in model.tensors.values():
        for start, stop in tensor.pieces():
            tensor.rows.read(start, stop)


def _noticed(fmt: Format, path: Path, whole: dict[str, object]) -> bool:
    try:
        if any(finding.outcome == "FAIL" for finding in fmt.validate(path)):
            return True
        return not differences(whole, fmt.read(path))
    except HubError:
        return True


def _weights(fmt: Format, path: Path) -> Path:
    """The file itself, or the first weights file of a folder."""
    return path if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in fmt.extensions)[0]


def _suffix(fmt: Format) -> str:
    return fmt.extensions[0] if fmt.extensions else ".bin"


def _cuts(size: int) -> list[int]:
    """Lengths from long to short: the end byte by byte, then everywhere, the head more densely."""
    some = {size * i // _CUTS for i in range(_CUTS)} | {size >> i for i in range(1, 24)} | {size - i for i in (1, 2, 8)}
    return sorted((cut for cut in some if 0 <= cut < size), reverse=True)


def _flips(size: int) -> list[tuple[int, int]]:
    """Places and bits to change: half of them in the first 256 bytes."""
    drawn = words(size, 0, 2 * _FLIPS).tolist()
    places = [n % min(size, 256) for n in drawn[:_FLIPS]] + [n % size for n in drawn[_FLIPS:]]
    return [(at, 1 + (n >> 40) % 255) for at, n in zip(places, drawn, strict=True)]
