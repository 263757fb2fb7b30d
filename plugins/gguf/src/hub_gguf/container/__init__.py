"""The GGUF container: header, index and layout, without any knowledge of models."""

from hub_gguf.container._header import Header, TensorInfo
from hub_gguf.container._layout import Layout, decode_items, encode_items, encode_key, layout
from hub_gguf.container._reader import HeaderReader, read_header
from hub_gguf.container._split import read_parts, shard_name, shard_stem, shards, split_keys
from hub_gguf.container._types import DEFAULT_ALIGNMENT, MAGIC, MAX_DIMS, TENSOR_TYPES, TYPE_IDS, VERSIONS, ValueType
from hub_gguf.container._values import LazyArray, NestedArray, NumberArray, StringArray, Value

__all__ = [
    "DEFAULT_ALIGNMENT",
    "MAGIC",
    "MAX_DIMS",
    "TENSOR_TYPES",
    "TYPE_IDS",
    "VERSIONS",
    "Header",
    "HeaderReader",
    "Layout",
    "LazyArray",
    "NestedArray",
    "NumberArray",
    "StringArray",
    "TensorInfo",
    "Value",
    "ValueType",
    "decode_items",
    "encode_items",
    "encode_key",
    "layout",
    "read_header",
    "read_parts",
    "shard_name",
    "shard_stem",
    "shards",
    "split_keys",
]
