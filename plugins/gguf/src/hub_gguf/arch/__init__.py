"""GGUF's architectures and Hugging Face's families: names, rows, values and hyper-parameters, both ways.

Here: tensors, and the keys `{arch}.*`. The plugin's format adds `general.*`, the tokenizer part `tokenizer.*`.
"""

from hub_gguf.arch._canonical import Canonical, to_canonical
from hub_gguf.arch._native import Native, from_canonical
from hub_gguf.arch._tables import ARCHES, BY_FAMILY, Arch

KNOWN: frozenset[str] = frozenset(ARCHES)

__all__ = ["ARCHES", "BY_FAMILY", "KNOWN", "Arch", "Canonical", "Native", "from_canonical", "to_canonical"]
