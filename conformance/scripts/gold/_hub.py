"""Files that a release of the hub itself writes, from gold of other programs.

What must come back is what the other program's gold must be read as: nothing on the way may be lost.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from conformance.scripts.gold._inputs import GOLD
from hub.interface import Options
from hub.pipeline import Request, convert

LLAMA = "safetensors/transformers-5.23.0/llama"
TIED = "safetensors/transformers-5.23.0/llama-tied"
K_QUANTS = "gguf/llama.cpp-ggml-0.25.3/q4_k_m.gguf"
PIECES = "gguf/llama.cpp-ggml-0.25.3/converted-q8_0.gguf"

# Format and name of what is written, from what, with which options.
WRITTEN: tuple[tuple[str, str, str, Options], ...] = (
    ("gguf", "llama.gguf", LLAMA, Options()),
    ("gguf", "llama-tied.gguf", TIED, Options()),
    ("gguf", "k-quants.gguf", K_QUANTS, Options()),
    ("apr", "llama.apr", LLAMA, Options()),
    ("apr", "llama-packed.apr", TIED, Options(compression="lz4")),
    ("apr", "k-quants.apr", K_QUANTS, Options()),
    ("apr", "pieces.apr", PIECES, Options()),
    ("safetensors", "llama.safetensors", LLAMA, Options()),
    ("safetensors", "llama-shards", LLAMA, Options(shard_size=16_000, folder=True)),
    ("safetensors", "tied", TIED, Options(folder=True)),
)


def write() -> None:
    """Every format, with every option that changes its layout."""
    for kind, name, source, options in WRITTEN:
        target = GOLD / kind / f"hub-{version('hub-core')}" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        convert(Request(GOLD / source, target, to=kind, options=options))
        expected = (GOLD / f"{source}.expected.json").read_bytes()
        Path(f"{target}.expected.json").write_bytes(expected)
