"""`hub inspect`: what a model is, from its header alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.cli import _output as out
from hub.cli._arguments import Json, ModelPath

if TYPE_CHECKING:
    from hub.inspection import Summary
    from hub.signing import Claim


def inspect(model: ModelPath, as_json: Json = False) -> None:
    """Show what a model is.

    Architecture, sizes, vocabulary, encodings. Reads no tensor.
    """
    from hub.inspection import summarize_path

    summary = summarize_path(model)
    if as_json:
        out.emit("inspect", summary)
    else:
        out.pairs(_lines(summary))


def _lines(s: Summary) -> Iterator[tuple[str, object]]:
    from hub.inspection import short_bytes, short_count

    yield "Model", s.model
    yield "Format", s.format
    yield "Quantization", s.quantization
    yield "Parameters", None if s.parameters is None else short_count(s.parameters)
    yield "Vocabulary", None if s.vocabulary is None else f"{s.vocabulary:,} tokens"
    yield "Architecture", s.architecture
    yield "Layers", s.layers
    yield "Hidden Size", s.hidden_size
    yield "Attention Heads", s.attention_heads
    yield "KV Heads", s.kv_heads
    yield "Head Dim", s.head_dim
    yield "Intermediate Size", s.intermediate_size
    yield "Experts", s.experts and f"{s.experts}, {s.experts_per_token} a token"
    yield "Context Length", s.context_length and f"{s.context_length:,}"
    yield "RoPE", _rope(s)
    yield "Sliding Window", s.sliding_window
    yield "Tokenizer", _tokenizer(s)
    yield "Chat Template", "yes" if s.chat_template else "no"
    yield "Tied", ", ".join(f"{alias} = {tensor}" for alias, tensor in s.ties.items()) or None
    yield "License", s.license
    yield "Size", short_bytes(s.size_bytes)
    yield "Tensors", f"{short_bytes(s.tensor_bytes)} in {s.tensor_count}" if s.tensor_count else None
    for share in s.encodings:
        yield f"  {share.encoding}", f"{short_bytes(share.bytes)} in {share.tensors}"
    yield "Names", None if s.naming == "hf" else "the source's own; its architecture is in no table"
    yield "Files", ", ".join(f.name for f in s.files) or None
    for key, value in s.metadata.items() if not s.tensor_count else ():
        yield f"  {key}", value
    yield "Signature", _signature(s.signature) if s.signature else None
    for note in s.notes:
        yield "Note", note


def _signature(said: Claim) -> str:
    """What the signature says; a reader must not take it for what was verified."""
    if said.problem:
        return f"{said.file.name}, which cannot be read: {said.problem}"
    key = f"key {said.key[:16]}" if said.key else "a key that it does not name"
    kind = f" ({said.kind})" if said.kind else ""
    number = "" if said.sequence is None else f", sequence {said.sequence}"
    return f"{said.file.name} says {said.name!r}{number}, by {key}{kind}; NOT verified: hub verify does that"


def _rope(s: Summary) -> str | None:
    if s.rope_theta is None and not s.rope_scaling:
        return None
    scaling = ", ".join(f"{k} {v}" for k, v in (s.rope_scaling or {}).items() if not isinstance(v, list))
    return "; ".join(filter(None, [f"theta {s.rope_theta:,.0f}" if s.rope_theta else None, scaling]))


def _tokenizer(s: Summary) -> str:
    t = s.tokenizer
    if t is None:
        return "none"
    merges = None if t.merges is None else f"{t.merges:,} merges"
    return ", ".join(filter(None, [t.kind, t.pre and f"pre-tokenizer {t.pre}", f"{t.tokens:,} tokens", merges]))
