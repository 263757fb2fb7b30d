"""What a case of the matrix is.

`vocabulary` is "spm:<family>" or the name of a pre-tokenizer, "bert-bge" for WordPiece. `lost` names configuration keys
that llama.cpp's script leaves out of the file and nothing in it implies: a model read back from that file alone
cannot give the original's numbers, and the reader has to say so by that name. `unwritten` says why the script cannot
write the case at all. `rewrite` and `files` name what is done to the weights and to the tokenizer's files afterwards
(see `rewrites`), `pooling` adds what sentence-transformers has beside BERT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Params = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One tiny model: its name, `model_type`, configuration, tokenizer and how its folder is written."""

    name: str
    family: str
    params: Mapping[str, Any]
    vocabulary: str
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    pad: int = 3
    modern: bool = False
    drop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    shards: bool = False
    unwritten: str = ""
    rewrite: str = ""
    files: str = ""
    pooling: bool = False

    @property
    def headless(self) -> bool:
        """True when the model ends in its last hidden state."""
        return self.family == "bert" or self.rewrite == "base model"

    @property
    def told(self) -> str | None:
        """What the script is told of the pre-tokenizer, which it asks for WordPiece too; None for SentencePiece."""
        return None if self.vocabulary.startswith("spm:") else self.vocabulary

    @property
    def pre(self) -> str | None:
        """llama.cpp's name of the pre-tokenizer, for byte-level BPE."""
        return None if self.vocabulary == "bert-bge" else self.told


# Sizes that differ from each other wherever the family lets them, so that no two can be confused.
DENSE: Params = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 512,
}  # fmt: skip
THETA: Params = {"rope_type": "default", "rope_theta": 500000.0}
TIED: Params = {"tie_word_embeddings": True}
