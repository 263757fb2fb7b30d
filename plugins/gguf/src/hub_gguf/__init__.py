"""GGUF for hub: the format that llama.cpp and its relatives run."""

from hub_gguf._format import GgufFormat, hub_formats

__all__ = ["GgufFormat", "hub_formats"]
