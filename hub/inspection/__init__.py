"""The logic behind the commands that look: summaries, statistics, stages, verdicts, differences."""

from hub.inspection._canonical import canonical
from hub.inspection._check import CheckReport, check
from hub.inspection._content import Remark
from hub.inspection._diff import Counts, DiffReport, Side, TensorDifference, diff
from hub.inspection._facts_diff import FactDifference, compare_config_facts, tokenizer_facts
from hub.inspection._files import size_on_disk, stored_files
from hub.inspection._installed import FormatLine, FormatList, PluginLine, PluginList, list_formats, list_plugins
from hub.inspection._numbers import counted, short_bytes, short_count
from hub.inspection._stages import StageResult
from hub.inspection._stats import Scan, Stats, scan, scan_all
from hub.inspection._summary import (
    EncodingShare,
    InsideFile,
    Summary,
    TokenizerSummary,
    quantization,
    shares,
    summarize,
    summarize_path,
)
from hub.inspection._tensors import TensorLine, TensorList, list_tensors, select
from hub.inspection._validate import Check, Score, ValidationReport, validate

__all__ = [
    "Check",
    "CheckReport",
    "Counts",
    "DiffReport",
    "EncodingShare",
    "FactDifference",
    "FormatLine",
    "FormatList",
    "InsideFile",
    "PluginLine",
    "PluginList",
    "Remark",
    "Scan",
    "Score",
    "Side",
    "StageResult",
    "Stats",
    "Summary",
    "TensorDifference",
    "TensorLine",
    "TensorList",
    "TokenizerSummary",
    "ValidationReport",
    "canonical",
    "check",
    "compare_config_facts",
    "counted",
    "diff",
    "list_formats",
    "list_plugins",
    "list_tensors",
    "quantization",
    "scan",
    "scan_all",
    "select",
    "shares",
    "short_bytes",
    "short_count",
    "size_on_disk",
    "stored_files",
    "summarize",
    "summarize_path",
    "tokenizer_facts",
    "validate",
]
