"""Writing: the same bytes each time, a plan that touches nothing."""

from __future__ import annotations

import time
from pathlib import Path

from hub.interface import Format
from hub.plugins import registry
from hub_conformance import vectors
from hub_conformance.notation import differences, model_of
from hub_conformance.suite._case import declared, expect
from hub_conformance.suite._child import measured
from hub_conformance.suite._roundtrip import TripCase
from hub_conformance.suite._trip import Trips, files_of, options_for, target_in, write


class WritingTests(TripCase):
    """Writing is a function of the model."""

    def test_two_writes_are_equal(self, fmt: Format, trips: Trips, vector: str, tmp_path: Path) -> None:
        """The same model gives the same bytes."""
        trip = trips.to(vector).reached()
        if trip.path is None:
            return
        plan = fmt.plan(trip.model, trip.options)
        again = write(fmt, plan, target_in(tmp_path, fmt, "model", trip.options), trip.options)
        expect_equal(files_of(trip.path), files_of(again))

    def test_another_day_writes_the_same(self, fmt: Format, trips: Trips, tmp_path: Path) -> None:
        """Another process with another hash seed, on another day, writes the same bytes."""
        if not fmt.capabilities.writes:
            declared(f"{fmt.name} is read, not written")
        names = [n for n in ("llama-spm-tied", "native", "metadata-types") if trips.to(n).path is not None]
        measured("hub_conformance.suite._writing:rewrite", fmt.name, str(tmp_path), names, hash_seed=4242)
        for name in names:
            made = trips.to(name).path
            if made is not None:
                expect_equal(files_of(made), files_of(tmp_path / name / "of" / made.name))

    def test_model_is_left_as_it_is(self, trips: Trips) -> None:
        """A write changes nothing in the model that it was given."""
        for name in ("llama-spm-tied", "native"):
            trip = trips.to(name).reached()
            expect(not differences(trip.document, trip.model), f"{name}: the model was changed by its own write")


def rewrite(name: str, folder: str, names: list[str]) -> None:
    """Write vectors in a process of its own, a year later than it is."""
    now, fmt = time.time, registry().named(name)
    time.time = lambda: now() + 365 * 86400  # a clock that is ahead
    for vector in names:
        document = vectors.document(vector)
        options = options_for(fmt, document)
        inner = Path(folder) / vector / "of"
        inner.mkdir(parents=True)
        write(fmt, fmt.plan(model_of(document), options), target_in(inner, fmt, "model", options), options)


def expect_equal(a: dict[str, bytes], b: dict[str, bytes]) -> None:
    """Fail unless both writes left the same files with the same bytes."""
    expect(a.keys() == b.keys(), f"wrote {sorted(a)} once and {sorted(b)} another time")
    for name, data in a.items():
        other = b[name]
        at = next((i for i, (x, y) in enumerate(zip(data, other, strict=False)) if x != y), min(len(data), len(other)))
        expect(data == other, f"{name}: two writes differ at byte {at}")
