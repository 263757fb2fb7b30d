"""Grammars that the output must follow: GBNF, or a JSON schema turned into it."""

from __future__ import annotations

import json
import math
import re

from hub.errors import UsageError
from hub_runtime.engine._library import LOG, library
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


def gbnf_of_schema(schema: str) -> str:
    """The GBNF grammar of the JSON documents that fit `schema`; `UsageError` when it cannot be one."""
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    try:
        document = json.loads(schema)
        if not isinstance(document, dict):
            raise UsageError("a JSON schema is an object")
        _refuse_repetition(document)
        return str(json_schema_to_gbnf(schema))
    except UsageError:
        raise
    except Exception as error:  # the converter raises whatever the schema leads it into
        raise UsageError(f"the JSON schema cannot be used: {error}") from error


# A grammar spells repetition out. llama.cpp itself takes no more.
_MOST = 2000
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")


def _refuse_repetition(schema: object) -> None:
    """`UsageError` where a schema asks for a grammar far larger than itself."""
    todo = [schema]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo += part
        elif isinstance(part, dict):
            todo += part.values()
            counts = [part[key] for key in _COUNTS if isinstance(part.get(key), int | float)]
            pattern = part.get("pattern")
            if isinstance(pattern, str):
                repeats = [int(n[:9]) for n in re.findall(r"\d+", " ".join(re.findall(r"\{([\d,]*)\}", pattern)))]
                counts += [math.prod(max(n, 1) for n in repeats), len(pattern)]
            if any(count > _MOST for count in counts):
                raise UsageError(f"the JSON schema repeats something over {_MOST} times")
