"""What a conversion did, as a value: printed as text or as one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

from hub.interface import Fact

Outcome = Literal["planned", "not verified", "same bytes", "rows moved", "exact", "re-encoded", "FAILED"]


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a conversion: where, in which format, how many bytes on the disk (None before it is written)."""

    path: str
    format: str
    nbytes: int | None


@dataclass(frozen=True, slots=True)
class TensorLine:
    """One tensor of the source and what became of it.

    `outcome` is what the verification saw; "planned" or "not verified" when there was none. `max_abs`, `rmse` and
    `cosine` are there for tensors whose values changed, None otherwise.
    """

    name: str
    targets: tuple[str, ...]
    shape: tuple[int, ...]
    source_encoding: str
    target_encoding: str
    outcome: Outcome
    reason: str = ""
    max_abs: float | None = None
    rmse: float | None = None
    cosine: float | None = None


@dataclass
class Report:
    """Everything worth saying about one conversion.

    `failures`: how the result differs from the source; nothing is in place then. `problems`: what plugins could not do
    after the target was in place. `codecs`: who decoded and encoded which encodings (`hub.codecs.Used.document`).
    """

    source: Side
    target: Side
    tensors: list[TensorLine]
    facts: Sequence[Fact] = ()
    notes: Sequence[str] = ()
    unmapped: Sequence[str] = ()
    target_only: Sequence[str] = ()
    failures: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    codecs: Sequence[Mapping[str, Any]] = ()
    verified: bool = False
    dry_run: bool = False
    seconds: float = 0.0
    verify_seconds: float = 0.0
    values: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Tensors by outcome."""
        return dict(Counter(line.outcome for line in self.tensors))

    @property
    def throughput(self) -> float | None:
        """Bytes of source tensors and target per second of the whole run; None when nothing was written."""
        if self.target.nbytes is None or not self.seconds:
            return None
        return (self.source.nbytes or 0) / self.seconds

    @property
    def exit_code(self) -> int:
        """0, 1 when the verification failed, 2 when a plugin failed after it."""
        return 1 if self.failures else 2 * bool(self.problems)

    def document(self) -> dict[str, Any]:
        """The JSON document of `hub convert --json`, its schema key aside (hub/schemas/convert.json)."""
        return {
            "source": asdict(self.source),
            "target": asdict(self.target),
            "dry_run": self.dry_run,
            "verified": self.verified,
            "ok": not self.exit_code,
            "failures": self.failures,
            "problems": self.problems,
            "counts": self.counts,
            "tensors": [_finite(asdict(line)) for line in self.tensors],
            "target_only": list(self.target_only),
            "unmapped": list(self.unmapped),
            "metadata": [asdict(fact) for fact in self.facts],
            "notes": list(self.notes),
            "codecs": [dict(codec) for codec in self.codecs],
            "values_compared": self.values,
            "seconds": round(self.seconds, 3),
            "verify_seconds": round(self.verify_seconds, 3),
            "bytes_per_second": None if self.throughput is None else round(self.throughput),
        }


def _finite(line: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: such a number becomes its name."""
    return {k: str(v) if isinstance(v, float) and not isfinite(v) else v for k, v in line.items()}
