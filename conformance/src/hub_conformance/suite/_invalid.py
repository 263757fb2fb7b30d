"""Whether damage is found where it is, refused with the right error, and cheap to refuse."""

from __future__ import annotations

import pytest

from hub.interface import Stage
from hub_conformance.suite._case import FormatCase, declared, expect, within
from hub_conformance.suite._faults import NONE, Fault, table
from hub_conformance.suite._trial import BYTES, SECONDS, Trial, trials

_STAGES = [str(stage) for stage in Stage]


class InvalidTests(FormatCase):
    """Files with one fault each: the stage that must fail, the error that must come of it, bounded time and memory."""

    @pytest.fixture(scope="class")
    def found(self, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
        """What becomes of every vector of the format."""
        folder = tmp_path_factory.mktemp("invalid")
        vectors = table(self.format)
        return trials(self.format, {name: v.place(self.format, folder) for name, v in vectors.items()}, folder)

    @pytest.fixture
    def seen(self, fault: str, found: dict[str, Trial]) -> tuple[Fault, Trial]:
        """The vector `fault` and what became of it; ends the test when the suite has none of the format."""
        if fault == NONE:
            declared(NONE)
        trial = found[fault]
        expect(not trial.broke, f"{fault}: {trial.broke}")
        return table(self.format)[fault], trial

    @within(120)
    def test_a_fault_fails_its_stage(self, seen: tuple[Fault, Trial]) -> None:
        """The stage that the table names fails, and none before it; a file without a fault fails none."""
        fault, trial = seen
        failed = ", ".join(trial.failed) or "nothing"
        if fault.valid:
            expect(not trial.failed, f"{fault.file}: {failed} fails, the file is valid")
            return
        expect(fault.stage in trial.failed, f"{fault.file}: {fault.fault}; {failed} fails, not {fault.stage}")
        early = [stage for stage in trial.failed if _rank(stage) < _rank(fault.stage)]
        expect(not early, f"{fault.file}: {fault.fault}; {', '.join(early)} fails before {fault.stage}")

    def test_a_fault_is_refused(self, seen: tuple[Fault, Trial]) -> None:
        """Opening or planning raises the error that the table names; where it names none, it may go well."""
        fault, trial = seen
        got = trial.error[0] if trial.error else "nothing"
        if fault.error:
            expect(fault.error in trial.error, f"{fault.file}: {fault.fault}; {got} is raised, not {fault.error}")
        elif fault.valid:
            expect(not trial.error, f"{fault.file}: {got} is raised, the file is valid: {trial.message}")
        expect("\n" not in trial.message, f"{fault.file}: the message has more than one line: {trial.message!r}")

    def test_a_fault_costs_little(self, seen: tuple[Fault, Trial]) -> None:
        """Looking at the file takes a bounded time and bounded memory, whatever it announces."""
        fault, trial = seen
        expect(trial.seconds <= SECONDS, f"{fault.file}: {trial.seconds:.1f} s, at most {SECONDS:g} s are allowed")
        expect(trial.peak <= BYTES, f"{fault.file}: {trial.peak >> 20} MiB, at most {BYTES >> 20} MiB are allowed")


def _rank(stage: str) -> int:
    return _STAGES.index(stage) if stage in _STAGES else len(_STAGES)
