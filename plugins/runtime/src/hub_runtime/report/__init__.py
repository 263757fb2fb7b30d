"""A report on models that were measured, made of the documents of bench, profile, trace and compare alone.

    found = gather(Path("benchmarks"))
    report = report_on(found, Path("benchmarks"))
    markdown(sections(report)), html(sections(report))

Every number in it is in one of the documents, or follows from them by a rule that the report states.
"""

from hub_runtime.report._columns import METRICS, Column, Metric
from hub_runtime.report._documents import Document, Gathered, Stranger, gather
from hub_runtime.report._equivalence import Equivalence
from hub_runtime.report._matrix import Cell, prices
from hub_runtime.report._render import html, markdown
from hub_runtime.report._report import Report, report_on
from hub_runtime.report._rules import RULES, Recommendation, Rule
from hub_runtime.report._sections import sections

__all__ = [
    "METRICS",
    "RULES",
    "Cell",
    "Column",
    "Document",
    "Equivalence",
    "Gathered",
    "Metric",
    "Recommendation",
    "Report",
    "Rule",
    "Stranger",
    "gather",
    "html",
    "markdown",
    "prices",
    "report_on",
    "sections",
]
