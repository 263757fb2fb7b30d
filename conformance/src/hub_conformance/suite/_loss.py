"""A declared loss really happens: who declares more than that hides what works."""

from __future__ import annotations

from hub.interface import Format
from hub_conformance import vectors
from hub_conformance.notation import Aspect, aspects
from hub_conformance.suite._case import declared, disabled, expect
from hub_conformance.suite._claims import WORDS, lost
from hub_conformance.suite._roundtrip import TripCase
from hub_conformance.suite._trip import Trips


class LossTests(TripCase):
    """For each word of `drops`, and each capability that is missing, a vector shows the loss."""

    def test_declared_losses_happen(self, fmt: Format, trips: Trips) -> None:
        """What is said to be dropped is not there after a round trip."""
        if not fmt.capabilities.writes:
            declared(f"{fmt.name} is read, not written")
        words = sorted(lost(fmt) & WORDS)
        kept = [word for word in words if not _shown(trips, word)]  # type: ignore[arg-type]  # a word is an aspect
        expect(not kept, f"says that it drops {', '.join(kept)}, and every vector keeps it")
        if words:
            declared(f"drops {', '.join(words)}")

    def test_shards_are_written(self, fmt: Format, trips: Trips, sharded: str) -> None:
        """A format that supports `shard_size` cuts a model into several files, and reads it from them."""
        if "shard_size" not in fmt.supports:
            declared(f"{fmt.name} has no shards")
        trip = trips.to(sharded).reached()
        if trip.path is None:
            disabled("nothing was written")
        root = trip.path if trip.path.is_dir() else trip.path.parent
        large = [p.name for p in root.rglob("*") if p.is_file() and fmt.extensions and p.suffix == fmt.extensions[0]]
        expect(len(large) > 1, f"asked for shards, {len(large)} file was written")


def _shown(trips: Trips, word: Aspect) -> bool:
    trip_names = [n for n in vectors.valid() if vectors.document(n).get(word) and (word != "naming" or _native(n))]
    trips_made = [trips.to(name) for name in trip_names]
    return any(t.read is not None and aspects(t.model, t.back, word) for t in trips_made)


def _native(name: str) -> bool:
    return bool(vectors.document(name)["naming"] == "native")
