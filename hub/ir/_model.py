"""A model: tensors, config, tokenizer, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from hub.ir._config import Config
from hub.ir._tensor import Tensor
from hub.ir._tokenizer import Tokenizer

T = TypeVar("T")
Json = Any


class Lazy(Generic[T]):
    """A value made when first asked for; for parts that are large and often not needed."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._done = False
        self._value: T | None = None

    @classmethod
    def of(cls, value: T) -> Lazy[T]:
        """A value that is there already."""
        return cls(lambda: value)

    def get(self) -> T:
        """The value; the first call makes it."""
        if not self._done:
            self._value, self._done = self._make(), True
        return self._value  # type: ignore[return-value]  # set by the line above, and None is a value too


@dataclass(frozen=True)
class Model:
    """One model in canonical form.

    `tensors`: by name. `naming` "hf" means Hugging Face names, row orders and values; "native" means that the source's
    architecture is in no table and everything keeps the source's own names.
    `config`: config.json's keys (empty when naming is "native" and nothing is known).
    `tokenizer`: lazy; None inside when the source has none.
    `metadata`: what a model card holds: name, author, license, tags, ... and `format`, the source's title ("GGUF v3").
    `ties`: alias -> the tensor it equals, e.g. {"lm_head.weight": "model.embed_tokens.weight"}; aliases are not in
    `tensors`.
    `files`: companion files verbatim, by name relative to a model folder (config.json, tokenizer.json, README.md, ...).
    `source`: by format name, what that format's reader needs to write its file again key for key; JSON values, made on
    demand. Formats that cannot interpret an entry carry it verbatim.
    `unnamed`: tensors of a known architecture that no rule names; they keep the source's names and rows.
    `notes`: what the reader derived, assumed or could not find; shown in the report.
    """

    tensors: Mapping[str, Tensor]
    config: Config = field(default_factory=Config)
    tokenizer: Lazy[Tokenizer | None] = field(default_factory=lambda: Lazy[Tokenizer | None](lambda: None))
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    source: Lazy[Mapping[str, Json]] = field(default_factory=lambda: Lazy[Mapping[str, Json]](dict))
    naming: Literal["hf", "native"] = "hf"
    unnamed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors in their encodings; ties count once."""
        return sum(t.nbytes for t in self.tensors.values())

    @property
    def parameters(self) -> int:
        """Values in all tensors; ties count once."""
        return sum(t.size for t in self.tensors.values())
