"""The canonical form: tensors, encodings, config, tokenizer, model."""

from hub.ir._config import ALIASES, Config
from hub.ir._encoding import BF16, ENCODINGS, F16, F32, U8, Encoding, widens
from hub.ir._facts import packed_facts, unpacked_facts
from hub.ir._model import Lazy, Model
from hub.ir._pretokenizers import PRE_TOKENIZERS
from hub.ir._rows import (
    Bytes,
    Change,
    File,
    FileRows,
    Gathered,
    Index,
    Joined,
    MemoryRows,
    Rows,
    Transposed,
    joined,
    transposed,
)
from hub.ir._tensor import Tensor, by_name, concatenated, stacked
from hub.ir._tokenizer import Tokenizer, TokenType

__all__ = [
    "ALIASES",
    "BF16",
    "ENCODINGS",
    "F16",
    "F32",
    "PRE_TOKENIZERS",
    "U8",
    "Bytes",
    "Change",
    "Config",
    "Encoding",
    "File",
    "FileRows",
    "Gathered",
    "Index",
    "Joined",
    "Lazy",
    "MemoryRows",
    "Model",
    "Rows",
    "Tensor",
    "TokenType",
    "Tokenizer",
    "Transposed",
    "by_name",
    "concatenated",
    "joined",
    "packed_facts",
    "stacked",
    "transposed",
    "unpacked_facts",
    "widens",
]
