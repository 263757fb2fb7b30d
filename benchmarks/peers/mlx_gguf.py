"""MLX loads a GGUF, decodes what it keeps in blocks, and saves: mlx_gguf.py SOURCE.gguf TARGET.safetensors BITS.

It holds Q4_0, Q4_1 and Q8_0 as packed integers with scales and biases; other types it decodes when it loads.
"""

from __future__ import annotations

import sys

import mlx.core as mx


def main(source: str, target: str, bits: str) -> None:
    """Load, decode to float16, save."""
    loaded = mx.load(source)
    parts = (".scales", ".biases")
    out = {}
    for name, values in loaded.items():
        stem = name.removesuffix(".weight")
        if name.endswith(parts):
            continue
        if f"{stem}.scales" in loaded:
            scales, biases = (loaded[stem + part] for part in parts)
            values = mx.dequantize(values, scales, biases, group_size=32, bits=int(bits))
        out[name] = values.astype(mx.float16)
    mx.save_safetensors(target, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
