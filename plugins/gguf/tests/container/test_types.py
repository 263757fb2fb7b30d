from __future__ import annotations

import gguf

from hub.ir import ENCODINGS
from hub_gguf.container import TENSOR_TYPES, TYPE_IDS, ValueType


def test_value_types_are_those_of_the_gguf_package() -> None:
    assert {v.name: int(v) for v in ValueType} == {v.name: int(v) for v in gguf.GGUFValueType}


def test_tensor_types_are_those_of_the_gguf_package() -> None:
    for kind in gguf.GGMLQuantizationType:
        assert TENSOR_TYPES[int(kind)] == kind.name


def test_block_sizes_are_those_of_the_gguf_package() -> None:
    for kind in set(gguf.GGMLQuantizationType) - {gguf.GGMLQuantizationType.Q8_1}:  # there it says 40, ggml says 36
        encoding = ENCODINGS[kind.name]
        assert (encoding.block, encoding.nbytes) == gguf.GGML_QUANT_SIZES[kind]


def test_ids_and_names_are_one_to_one() -> None:
    assert {TYPE_IDS[name]: name for name in TYPE_IDS} == TENSOR_TYPES
    assert set(TYPE_IDS) <= set(ENCODINGS)
