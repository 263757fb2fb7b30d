"""The logic behind the commands that look: summaries, lists, what is installed."""

from hub.inspection._canonical import canonical
from hub.inspection._files import size_on_disk, stored_files
from hub.inspection._installed import FormatLine, FormatList, PluginLine, PluginList, list_formats, list_plugins
from hub.inspection._numbers import counted, short_bytes, short_count
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

__all__ = [
    "EncodingShare",
    "FormatLine",
    "FormatList",
    "InsideFile",
    "PluginLine",
    "PluginList",
    "Summary",
    "TensorLine",
    "TensorList",
    "TokenizerSummary",
    "canonical",
    "counted",
    "list_formats",
    "list_plugins",
    "list_tensors",
    "quantization",
    "select",
    "shares",
    "short_bytes",
    "short_count",
    "size_on_disk",
    "stored_files",
    "summarize",
    "summarize_path",
]
