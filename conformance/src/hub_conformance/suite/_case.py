"""What the tests of the suite are made of: the format under test, what a test says, which arguments it runs over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest

from hub.interface import Format
from hub.plugins import registry
from hub_conformance.suite._parameters import PARAMETERS

F = TypeVar("F", bound=Callable[..., Any])

NOTHING = "[none]"  # what the name of a test ends in that has nothing to run over
DECLARED, DISABLED = "declared: ", "disabled: "
HEAD = 4096  # bytes of a file that `sniff` is given
LIMIT = 20.0  # seconds that a test may take, unless it says otherwise


class Nonconformant(AssertionError):
    """The format does not do what the contract asks; the message is one line."""


class CannotJudge(Exception):
    """The suite could not find out: the fault is not the format's."""


def expect(ok: bool, message: str) -> None:
    """Fail with `message` unless `ok`."""
    if not ok:
        raise Nonconformant(short(message))


def expect_none(problems: list[str]) -> None:
    """Fail with the first of `problems`, and the number of the others."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    expect(not problems, f"{problems[0]}{more}" if problems else "")


def short(text: str, most: int = 300) -> str:
    """`text` on one line, without its middle when it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def declared(reason: str) -> NoReturn:
    """End the test: the format declares that it cannot, and it is so."""
    pytest.skip(DECLARED + reason)


def disabled(reason: str) -> NoReturn:
    """End the test: it was not carried out."""
    pytest.skip(DISABLED + reason)


def within(seconds: float) -> Callable[[F], F]:
    """Mark a test that may take so long."""

    def mark(test: F) -> F:
        test.limit = seconds  # type: ignore[attr-defined]  # read by the runner
        return test

    return mark


class FormatCase:
    """Tests of one format; a subclass names it.

    `format`: what `--to` takes. `peers`: the formats to exchange models with; None means all that are installed.
    `guests`: those of them that are not under test themselves, so that their models come here as well.
    """

    format: ClassVar[str] = ""
    peers: ClassVar[tuple[str, ...] | None] = None
    guests: ClassVar[tuple[str, ...] | None] = None

    @pytest.fixture
    def fmt(self) -> Format:
        """The format under test."""
        return registry().named(self.format)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once for each value of its arguments; see `PARAMETERS`."""
        for name, values in PARAMETERS.items():
            if name in metafunc.fixturenames:
                found = values(self)
                nothing = pytest.param(None, marks=pytest.mark.skip(reason=f"{DISABLED}no {name} for {self.format}"))
                metafunc.parametrize(name, found or [nothing], ids=found or [NOTHING[1:-1]])
