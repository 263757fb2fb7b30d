"""The tests of the suite, as classes to inherit from; `FormatConformance` is all of them."""

from hub_conformance.suite._bounds import BoundsTests
from hub_conformance.suite._case import CannotJudge, FormatCase, Nonconformant, declared, disabled, expect, within
from hub_conformance.suite._gold import GoldTests
from hub_conformance.suite._invalid import InvalidTests
from hub_conformance.suite._isolation import IsolationTests
from hub_conformance.suite._loading import LoadingTests
from hub_conformance.suite._loss import LossTests
from hub_conformance.suite._pairs import PairTests
from hub_conformance.suite._roundtrip import RoundTripTests
from hub_conformance.suite._sniffing import ForeignTests, SniffingTests
from hub_conformance.suite._validating import ValidatingTests
from hub_conformance.suite._writing import WritingTests

__all__ = [
    "BoundsTests",
    "CannotJudge",
    "ForeignTests",
    "FormatCase",
    "FormatConformance",
    "GoldTests",
    "InvalidTests",
    "IsolationTests",
    "LoadingTests",
    "LossTests",
    "Nonconformant",
    "PairTests",
    "RoundTripTests",
    "SniffingTests",
    "ValidatingTests",
    "WritingTests",
    "declared",
    "disabled",
    "expect",
    "within",
]


class FormatConformance(
    LoadingTests,
    RoundTripTests,
    WritingTests,
    LossTests,
    SniffingTests,
    ForeignTests,
    ValidatingTests,
    InvalidTests,
    GoldTests,
    IsolationTests,
    PairTests,
    BoundsTests,
):
    """The whole suite; inherit from it as `TestMyFormat` and set `format` to run it in a pytest of your own."""
