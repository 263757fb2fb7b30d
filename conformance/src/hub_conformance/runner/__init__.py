"""Running the suite in child processes, and telling what came of it."""

from hub_conformance.runner._report import junit, markdown, matrix, publish, rows, summary
from hub_conformance.runner._results import OUTCOMES, Exchange, Outcome, Result, Verdict, document
from hub_conformance.runner._run import Wanted, installed, listed, run

__all__ = [
    "OUTCOMES",
    "Exchange",
    "Outcome",
    "Result",
    "Verdict",
    "Wanted",
    "document",
    "installed",
    "junit",
    "listed",
    "markdown",
    "matrix",
    "publish",
    "rows",
    "run",
    "summary",
]
