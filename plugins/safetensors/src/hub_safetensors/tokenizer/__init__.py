"""Tokenizers in a Hugging Face folder: read into the canonical form, and written from it."""

from hub_safetensors.tokenizer._leftovers import lost_in_files, restore
from hub_safetensors.tokenizer._pretokenizers import PRE_TOKENIZERS, PreTokenizer
from hub_safetensors.tokenizer._read import read_files
from hub_safetensors.tokenizer._write import write_files

__all__ = ["PRE_TOKENIZERS", "PreTokenizer", "lost_in_files", "read_files", "restore", "write_files"]
