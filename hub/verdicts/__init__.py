"""The logic behind the commands that judge: stages, values, differences. Each verdict becomes an exit code."""

from hub.verdicts._check import CheckReport, check
from hub.verdicts._content import Remark
from hub.verdicts._diff import Counts, DiffReport, Side, TensorDifference, diff
from hub.verdicts._facts_diff import FactDifference, compare_config_facts, tokenizer_facts
from hub.verdicts._stages import StageResult
from hub.verdicts._validate import Check, Score, ValidationReport, validate

__all__ = [
    "Check",
    "CheckReport",
    "Counts",
    "DiffReport",
    "FactDifference",
    "Remark",
    "Score",
    "Side",
    "StageResult",
    "TensorDifference",
    "ValidationReport",
    "check",
    "compare_config_facts",
    "diff",
    "tokenizer_facts",
    "validate",
]
