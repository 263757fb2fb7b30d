"""Telling an index over shards from other JSON."""

from __future__ import annotations

import re

from hub_safetensors.container._header import plausible

_FIRST_ENTRY = re.compile(rb'"weight_map"\s*:\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*(.)', re.DOTALL)


def is_index(head: bytes, size: int) -> bool:
    """True when `head`, the first bytes of a file of `size` bytes, begins an index over shards.

    Other formats' indexes have a weight_map too, of numbers; this one's names a file for each tensor.
    """
    first = _FIRST_ENTRY.search(head)
    named = first is None or first[1] == b'"'
    return head.lstrip()[:1] == b"{" and b'"weight_map"' in head and named and not plausible(head, size)
