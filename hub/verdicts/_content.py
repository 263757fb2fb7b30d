"""The content checks of `hub validate`: what is damage, what is odd, and what is healthy after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from hub.errors import HubError
from hub.ir import Model, Tensor, Tokenizer, TokenType
from hub.statistics._stats import Scan
from hub.verdicts._roles import Role, role

Severity = Literal["fail", "warning", "note"]

# Rows shorter than this are kernels of convolutions rather than rows of a matrix; zeros there are no surprise.
MATRIX_COLUMNS = 32

# Share of zeros above which a tensor is odd. Ternary weights have about a half.
MOSTLY_ZERO = 0.8
MOSTLY_ZERO_TOKENS = 0.5


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one tensor: a failure, a warning, or a note on what is healthy though it looks odd."""

    tensor: str
    severity: Severity
    detail: str


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks may ask about the model around a tensor."""

    tokenizer: Tokenizer | None
    family: str

    @classmethod
    def of(cls, model: Model) -> Context:
        """The context of `model`; a tokenizer that cannot be read counts as none, `hub check` names it."""
        try:
            return cls(model.tokenizer.get(), str(model.config.get("model_type") or ""))
        except HubError:
            return cls(None, str(model.config.get("model_type") or ""))

    def idle(self, row: int) -> bool | None:
        """True when token `row` may have a row of zeros: padding, unused, or control; None when nothing is known."""
        known = self.tokenizer
        if known is None:
            return None
        if row >= len(known) or row == known.special.get("pad"):
            return True
        kinds = (TokenType.UNUSED, TokenType.CONTROL, TokenType.UNKNOWN)
        return (known.types is not None and known.types[row] in kinds) or "unused" in known.tokens[row].lower()


Check = Callable[[Tensor, Scan, Context], Iterator[Remark]]


def nan(tensor: Tensor, scan: Scan, _: Context) -> Iterator[Remark]:
    """NaN anywhere is a failure."""
    if scan.nan:
        yield Remark(tensor.name, "fail", f"{scan.nan} NaN, the first at value {scan.first_bad}")


def inf(tensor: Tensor, scan: Scan, _: Context) -> Iterator[Remark]:
    """An infinite value anywhere is a failure."""
    if scan.inf:
        yield Remark(tensor.name, "fail", f"{scan.inf} infinite values")


def all_zero(tensor: Tensor, scan: Scan, context: Context) -> Iterator[Remark]:
    """A weight of zeros only is a failure; a bias, a lookup table or an offset norm of zeros is not."""
    if scan.zeros != tensor.size or not tensor.size:
        return
    kind = role(tensor)
    offset = kind is Role.NORM and context.family.startswith("gemma")  # multiplies by one plus the weight
    if kind in {Role.BIAS, Role.TABLE, Role.INTEGER} or offset or tensor.size == 1:
        yield Remark(tensor.name, "note", f"{kind}: every value is 0")
    else:
        yield Remark(tensor.name, "fail", "all values are zero")


def constant(tensor: Tensor, scan: Scan, _: Context) -> Iterator[Remark]:
    """A matrix with one value throughout is a failure; a vector, such as a norm of ones, is not."""
    if tensor.size < 2 or scan.low != scan.high or scan.finite != tensor.size or scan.zeros:
        return
    kind = role(tensor)
    severity: Severity = "fail" if kind in {Role.WEIGHT, Role.TOKENS} else "note"
    yield Remark(tensor.name, severity, f"{kind}: every value is {scan.low:g}")


def dead_rows(tensor: Tensor, scan: Scan, context: Context) -> Iterator[Remark]:
    """A row of zeros is a failure, but for tokens that are padding or not in use."""
    matrix = len(tensor.shape) == 2 or (len(tensor.shape) > 2 and tensor.shape[-1] >= MATRIX_COLUMNS)
    if not scan.dead_rows or scan.zeros == tensor.size or not matrix or tensor.shape[-1] == 1:
        return
    kind = role(tensor)
    if kind in {Role.TABLE, Role.INTEGER, Role.BIAS}:
        yield Remark(tensor.name, "note", f"{kind}: {scan.dead_rows} rows of zeros")
    elif kind is Role.TOKENS:
        yield from _dead_tokens(tensor, scan, context)
    else:
        yield Remark(tensor.name, "fail", f"{scan.dead_rows} rows of zeros, the first is row {scan.dead[0]}")


def _dead_tokens(tensor: Tensor, scan: Scan, context: Context) -> Iterator[Remark]:
    if context.tokenizer is None:
        yield Remark(tensor.name, "warning", f"{scan.dead_rows} rows of zeros, and no tokenizer says which are padding")
        return
    used = [row for row in scan.dead if not context.idle(row)]
    if used:
        yield Remark(tensor.name, "fail", f"{len(used)} rows of zeros for tokens in use, the first is row {used[0]}")
    if len(used) < scan.dead_rows:
        yield Remark(tensor.name, "note", f"{scan.dead_rows - len(used)} rows of zeros for padding or unused tokens")


def mostly_zero(tensor: Tensor, scan: Scan, _: Context) -> Iterator[Remark]:
    """A matrix that is mostly zeros is odd."""
    kind = role(tensor)
    limit = MOSTLY_ZERO_TOKENS if kind is Role.TOKENS else MOSTLY_ZERO
    if kind in {Role.WEIGHT, Role.TOKENS} and limit * tensor.size < scan.zeros < tensor.size:
        yield Remark(tensor.name, "warning", f"{100 * scan.zeros / tensor.size:.0f} % of the values are zero")


CHECKS: dict[str, Check] = {
    "nan": nan, "inf": inf, "all zero": all_zero, "constant": constant, "dead rows": dead_rows,
    "mostly zero": mostly_zero,
}  # fmt: skip
