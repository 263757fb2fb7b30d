"""read(write(x)) = x, aspect by aspect."""

from __future__ import annotations

import pytest

from hub.interface import Format
from hub_conformance.notation import Aspect, aspects, exact
from hub_conformance.suite._case import FormatCase, declared, expect, expect_none
from hub_conformance.suite._claims import justified, lost
from hub_conformance.suite._tensors import problems, recoded
from hub_conformance.suite._trip import Trip, Trips

_TRIPS: dict[tuple[str, str], Trips] = {}


class TripCase(FormatCase):
    """Tests that look at vectors that were written and read back."""

    @pytest.fixture
    def trips(self, fmt: Format, tmp_path_factory: pytest.TempPathFactory) -> Trips:
        """Each vector written and read back, when first asked for."""
        key = str(tmp_path_factory.getbasetemp()), fmt.name
        if key not in _TRIPS:
            _TRIPS[key] = Trips(fmt, tmp_path_factory.mktemp(fmt.name))
        return _TRIPS[key]


class RoundTripTests(TripCase):
    """What is written comes back."""

    def test_written_and_read_back(self, fmt: Format, trips: Trips, vector: str) -> None:
        """Every model can be written, or is refused for a reason that the format may have."""
        trip = trips.to(vector)
        if trip.broken is not None:
            raise trip.broken
        if trip.refused is not None and not justified(trip.refused, fmt, trip.document):
            expect(False, f"refused without a declared reason: {trip.refused}")
        trip.reached()

    def test_tensors_come_back(self, fmt: Format, trips: Trips, vector: str) -> None:
        """Bit for bit where the encoding is held, by exact values where it is not."""
        trip = trips.to(vector).reached()
        if trip.plan is None:
            return
        changed = recoded(trip.plan)
        expect_none(list(problems(trip.model, trip.back, [fmt], changed)))
        if changed:
            declared(f"re-encoded with other values: {', '.join(changed[:5])}")

    def test_config_comes_back(self, trips: Trips, configured: str) -> None:
        """Key for key and type for type."""
        _comes_back(trips.to(configured), "config")

    def test_tokenizer_comes_back(self, trips: Trips, tokenized: str) -> None:
        """Tokens, scores, types, merges, special ids, flags, templates."""
        _comes_back(trips.to(tokenized), "tokenizer")

    def test_ties_come_back(self, trips: Trips, tied: str) -> None:
        """As ties; a format without them writes a copy or loses the alias, as it declares."""
        trip = trips.to(tied).reached()
        back = trip.back
        for alias, name in trip.model.ties.items():
            if alias in back.tensors and name in back.tensors:
                expect_none(list(exact(back.tensors[name].named(alias), back.tensors[alias])))
        _comes_back(trip, "ties")

    def test_metadata_comes_back(self, trips: Trips, described: str) -> None:
        """What a model card says."""
        _comes_back(trips.to(described), "metadata")

    def test_files_come_back(self, trips: Trips, accompanied: str) -> None:
        """Companion files byte for byte."""
        _comes_back(trips.to(accompanied), "files")

    def test_source_comes_back(self, trips: Trips, sourced: str) -> None:
        """Another format's block, verbatim."""
        _comes_back(trips.to(sourced), "source")

    def test_naming_comes_back(self, trips: Trips, vector: str) -> None:
        """A model that no table knows is still one that no table knows."""
        _comes_back(trips.to(vector), "naming")


def _comes_back(trip: Trip, aspect: Aspect) -> None:
    trip.reached()
    lines = aspects(trip.model, trip.back, aspect)
    expect_none(trip.dropped(aspect, lines))
    if lines:
        declared(f"drops {aspect}" if aspect in lost(trip.fmt) else f"said in the plan: {lines[0]}")
