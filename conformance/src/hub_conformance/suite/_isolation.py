"""A format keeps to itself: no network, no other program, no file but its target; a plan touches no disk at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from hub.interface import Format
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_conformance import vectors
from hub_conformance.notation import model_of
from hub_conformance.suite._case import HEAD, FormatCase, expect, within
from hub_conformance.suite._guard import Deed, Guard, Kind
from hub_conformance.suite._parameters import TRAVELLERS
from hub_conformance.suite._trip import options_for, target_in
from hub_conformance.suite._validating import consume

WATCHED = (*TRAVELLERS, "companion-files", "large", "llama-shards", "shape-prime", "special-blocks")
_SEEN: dict[tuple[str, str], list[Deed]] = {}


class IsolationTests(FormatCase):
    """A vector of each kind is planned, written, sniffed, read and validated under watch."""

    @pytest.fixture
    def deeds(self, fmt: Format, tmp_path_factory: pytest.TempPathFactory) -> list[Deed]:
        """What the format did that it may not."""
        key = str(tmp_path_factory.getbasetemp()), fmt.name
        if key not in _SEEN:
            guard, folder = Guard(), tmp_path_factory.mktemp("watched")
            for name in WATCHED:
                with suppress(Exception):  # other tests tell of it
                    _go(fmt, name, folder / name, guard)
            _SEEN[key] = guard.deeds
        return _SEEN[key]

    @within(60)
    def test_no_network(self, deeds: list[Deed]) -> None:
        """No socket is made, no name looked up, no address fetched."""
        _none_of(deeds, "network")

    @within(60)
    def test_no_exec(self, deeds: list[Deed]) -> None:
        """No program is started, no process forked, nothing unpickled."""
        _none_of(deeds, "exec")

    @within(60)
    def test_nothing_written_elsewhere(self, deeds: list[Deed]) -> None:
        """Only a write writes, and only in its target."""
        _none_of([deed for deed in deeds if deed.during != "plan"], "write")

    @within(60)
    def test_plan_touches_no_disk(self, deeds: list[Deed]) -> None:
        """Planning writes nothing."""
        _none_of([deed for deed in deeds if deed.during == "plan"], "write")


def _none_of(deeds: list[Deed], kind: Kind) -> None:
    found = [deed for deed in deeds if deed.kind == kind]
    expect(not found, f"{found[0]} (and {len(found) - 1} more)" if found else "")


def _go(fmt: Format, name: str, folder: Path, guard: Guard) -> None:
    document = vectors.document(name)
    options, model = options_for(fmt, document), model_of(document)
    folder.mkdir()
    with guard.watching("plan"):
        plan = fmt.plan(model, options)
    target = target_in(folder, fmt, "model", options)
    with Target(target, Copier(default_budget(1), Silent()), folder=options.folder, overwrite=False) as sink:
        with guard.watching("write", sink.stage):
            fmt.write(plan, sink, options)
        path = sink.commit()[0]
    head = path.read_bytes()[:HEAD] if path.is_file() else b""
    with guard.watching("sniff"):
        fmt.sniff(path, head)
    with guard.watching("read"):
        consume(fmt.read(path))
    with guard.watching("validate"):
        list(fmt.validate(path))
