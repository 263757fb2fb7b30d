"""Stage 7: whether the tokenizer is whole and fits the embedding."""

from __future__ import annotations

from collections.abc import Iterator

from hub.errors import HubError
from hub.interface import Stage
from hub.ir import Model, Tokenizer, TokenType
from hub.verdicts._embedding import embedding
from hub.verdicts._stages import StageResult, faulty, result

UNUSED = TokenType.UNUSED


def tokenizer_stage(model: Model) -> StageResult:
    """PASS when lists, merges and special ids agree and every token has a row in the embedding."""
    try:
        tokenizer = model.tokenizer.get()
    except HubError as error:
        return result(Stage.TOKENIZER, "FAIL", error.message)
    if tokenizer is None:
        return result(Stage.TOKENIZER, "SKIP", "the source has no tokenizer")
    problems = [*_lengths(tokenizer), *_special(tokenizer), *_merges(tokenizer), *_rows(tokenizer, model)]
    if problems:
        return faulty(Stage.TOKENIZER, problems)
    return result(Stage.TOKENIZER, "PASS", f"{tokenizer.kind}, {len(tokenizer):,} tokens{_padding(tokenizer, model)}")


def _lengths(tokenizer: Tokenizer) -> Iterator[str]:
    if not len(tokenizer):
        yield "it has no tokens"
    for name in ("scores", "types"):
        values = getattr(tokenizer, name)
        if values is not None and len(values) != len(tokenizer):
            yield f"{len(values)} {name} for {len(tokenizer)} tokens"
    if tokenizer.kind in {"spm", "unigram"} and tokenizer.scores is None:
        yield f"a tokenizer of kind {tokenizer.kind} needs scores, there are none"


def _special(tokenizer: Tokenizer) -> Iterator[str]:
    for name, index in tokenizer.special.items():
        if not 0 <= index < len(tokenizer):
            yield f"the {name} id is {index}, there are {len(tokenizer)} tokens"


def _merges(tokenizer: Tokenizer) -> Iterator[str]:
    if tokenizer.kind != "bpe":
        return
    if tokenizer.merges is None:
        yield "byte-level BPE needs merges, there are none"
        return
    known = set(tokenizer.tokens)
    for index, merge in enumerate(tokenizer.merges):
        left, _, right = merge.partition(" ")
        if not left or not right:
            yield f"merges[{index}] is {merge!r}, two parts were expected"
        elif left + right not in known:
            yield f"merges[{index}] makes {left + right!r}, which is no token"


def _rows(tokenizer: Tokenizer, model: Model) -> Iterator[str]:
    table = embedding(model)
    if table is not None and _used(tokenizer) > table.shape[0]:
        yield f"{len(tokenizer)} tokens, but {table.name} has {table.shape[0]} rows"


def _used(tokenizer: Tokenizer) -> int:
    """Tokens without the unused ones at the end, which fill up to what the configuration asks for: stage 8's affair."""
    n = len(tokenizer)
    while tokenizer.types and n and len(tokenizer.types) == len(tokenizer) and tokenizer.types[n - 1] == UNUSED:
        n -= 1
    return n


def _padding(tokenizer: Tokenizer, model: Model) -> str:
    table = embedding(model)
    spare = table.shape[0] - len(tokenizer) if table is not None else 0
    return f"; {table.name} has {spare} rows of padding" if table is not None and spare else ""
