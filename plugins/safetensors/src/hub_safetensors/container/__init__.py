"""The SafeTensors container: an 8-byte length, a JSON header, and the tensors' bytes.

Layout, limits and checks are those of the format page and the reference library (github.com/huggingface/safetensors).
"""

from hub_safetensors.container._header import (
    ALIGNMENT,
    DTYPES,
    MAX_HEADER,
    METADATA,
    Entry,
    Header,
    check_entries,
    parse_header,
    plausible,
    read_header,
    read_text,
)
from hub_safetensors.container._index import is_index
from hub_safetensors.container._layout import arrange, header_bytes

__all__ = [
    "ALIGNMENT",
    "DTYPES",
    "MAX_HEADER",
    "METADATA",
    "Entry",
    "Header",
    "arrange",
    "check_entries",
    "header_bytes",
    "is_index",
    "parse_header",
    "plausible",
    "read_header",
    "read_text",
]
