"""Whether damage is found where it is, refused with the right error, and cheap to refuse."""

from __future__ import annotations

import pytest

from hub.interface import Stage
from hub_conformance.suite._case import FormatCase, declared, expect_none, within
from hub_conformance.suite._faults import NONE, Fault, table
from hub_conformance.suite._trial import BYTES, SECONDS, Trial, trials

_STAGES = [str(stage) for stage in Stage]


class InvalidTests(FormatCase):
    """Files with one fault each: the stage that must fail, the error that must come of it, bounded time and memory."""

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
        """What becomes of every vector of the format."""
        folder = tmp_path_factory.mktemp("invalid")
        vectors = table(cls.format)
        return trials(cls.format, {name: v.place(cls.format, folder) for name, v in vectors.items()}, folder)

    @pytest.fixture
    def seen(self, fault: str, found: dict[str, Trial]) -> tuple[Fault, Trial]:
        """The vector `fault` and what became of it; ends the test when the suite has none of the format."""
        if fault == NONE:
            declared(NONE)
        return table(self.format)[fault], found[fault]

    @within(120)
    def test_a_fault_fails_its_stage(self, seen: tuple[Fault, Trial]) -> None:
        """The stage that the table names fails, and none before it; a file without a fault fails none."""
        expect_none(wrong_stage(*seen))

    def test_a_fault_is_refused(self, seen: tuple[Fault, Trial]) -> None:
        """Opening or planning raises the error that the table names; where it names none, it may go well."""
        expect_none(wrong_error(*seen))

    def test_a_fault_costs_little(self, seen: tuple[Fault, Trial]) -> None:
        """Looking at the file takes a bounded time and bounded memory, whatever it announces."""
        expect_none(too_much(*seen))


def wrong_stage(fault: Fault, trial: Trial) -> list[str]:
    """What is wrong with the stages that fail."""
    failed, told = ", ".join(trial.failed) or "nothing", f"{fault.file}: {fault.fault}"
    if trial.broke:
        return [f"{told}; {trial.broke}"]
    if fault.valid:
        return [f"{fault.file}: {failed} fails, the file is valid"] if trial.failed else []
    if fault.stage not in trial.failed:
        return [f"{told}; {failed} fails, not {fault.stage}"]
    early = [stage for stage in trial.failed if _rank(stage) < _rank(fault.stage)]
    return [f"{told}; {', '.join(early)} fails before {fault.stage}"] if early else []


def wrong_error(fault: Fault, trial: Trial) -> list[str]:
    """What is wrong with the error that is raised."""
    got, told = trial.error[0] if trial.error else "nothing", f"{fault.file}: {fault.fault}"
    if trial.broke:
        return [f"{told}; {trial.broke}"]
    if (fault.error and fault.error not in trial.error) or "PluginError" in trial.error:
        return [f"{told}; {got} is raised, not {fault.error or 'an error of the hub'}: {trial.message}"]
    if fault.valid and trial.error and not fault.error:
        return [f"{fault.file}: {got} is raised, the file is valid: {trial.message}"]
    return [f"{told}; the message has more than one line: {trial.message!r}"] if "\n" in trial.message else []


def too_much(fault: Fault, trial: Trial) -> list[str]:
    """What looking at the file takes beyond the bounds."""
    told = f"{fault.file}: {fault.fault}"
    slow = [f"{told}; {trial.seconds:.1f} s, at most {SECONDS:g} s are allowed"] if trial.seconds > SECONDS else []
    large = f"{told}; {trial.peak >> 20} MiB, at most {BYTES >> 20} MiB are allowed"
    return ([f"{told}; {trial.broke}"] if trial.broke else []) + slow + ([large] if trial.peak > BYTES else [])


def _rank(stage: str) -> int:
    return _STAGES.index(stage) if stage in _STAGES else len(_STAGES)
