"""The arguments that tests run over, and their values for a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from hub.plugins import registry
from hub_conformance import vectors
from hub_conformance.suite._faults import faults
from hub_conformance.suite._golds import golds

if TYPE_CHECKING:
    from hub_conformance.suite._case import FormatCase

Values: TypeAlias = "Callable[[FormatCase], list[str]]"

# Vectors that travel between formats: one of everything.
TRAVELLERS = ("bert-wordpiece", "every-encoding", "gpt2-bpe", "llama-bpe", "llama-spm-tied", "native", "t5-unigram")


def _with(aspect: str) -> Values:
    return lambda _: [name for name in vectors.valid() if vectors.document(name).get(aspect)]


def _peers(case: FormatCase) -> list[str]:
    return sorted(set(registry().formats) - {case.format}) if case.peers is None else list(case.peers)


def _guests(case: FormatCase) -> list[str]:
    return _peers(case) if case.guests is None else list(case.guests)


def _pairs(peers: list[str]) -> list[str]:
    return [f"{peer}/{name}" for peer in peers for name in TRAVELLERS]


PARAMETERS: Mapping[str, Values] = {
    "vector": _with("schema"),
    "configured": _with("config"),
    "tokenized": _with("tokenizer"),
    "tied": _with("ties"),
    "described": _with("metadata"),
    "accompanied": _with("files"),
    "sourced": _with("source"),
    "sharded": _with("shard_size"),
    "pair": lambda case: _pairs(_peers(case)),
    "visit": lambda case: _pairs(_guests(case)),
    "fault": lambda case: faults(case.format),
    "gold": lambda case: golds(case.format),
    "gold_pair": lambda case: [f"{peer}/{gold}" for peer in _peers(case) for gold in golds(case.format)],
}
