"""Any model that hub reads, as a GGUF file for llama.cpp: checked, converted once, cached by content.

with as_gguf("model.apr") as gguf, load(gguf.path) as model:
    ...
"""

from hub_runtime.bridge._cache import DEFAULT_LIMIT, Cache, Entry, as_document
from hub_runtime.bridge._gguf import Bridged, Way, as_gguf
from hub_runtime.bridge._sound import refuse_damaged

__all__ = ["DEFAULT_LIMIT", "Bridged", "Cache", "Entry", "Way", "as_document", "as_gguf", "refuse_damaged"]
