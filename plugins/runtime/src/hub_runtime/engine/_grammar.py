"""Grammars that the output must follow."""

from __future__ import annotations

from hub.errors import UsageError
from hub_runtime.engine._library import LOG, library
from hub_runtime.engine._schema import gbnf_of_schema
from hub_runtime.engine._settings import Settings
from hub_runtime.engine._vocab import Vocab


def grammar_of(vocab: Vocab, settings: Settings) -> int | None:
    """llama.cpp's sampler for the grammar that `settings` ask for, None when they ask for none."""
    text = settings.grammar
    if settings.json_schema is not None:
        text = gbnf_of_schema(settings.json_schema)
    if text is None:
        return None
    if not text.strip():
        raise UsageError("the grammar is empty", hint="GBNF with a rule named root")
    LOG.lines.clear()
    found: int | None = library().llama_sampler_init_grammar(vocab.handle, text.encode("utf-8"), b"root")
    if not found:
        raise UsageError(f"llama.cpp rejects the grammar: {LOG.reasons()}", hint="GBNF with a rule named root")
    return found
