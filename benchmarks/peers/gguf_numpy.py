"""The road most scripts take: gguf_numpy.py SOURCE.gguf TARGET.safetensors f16|f32.

The gguf package reads, NumPy decodes, safetensors writes.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np
from safetensors.numpy import save_file


def main(source: str, target: str, dtype: str) -> None:
    """Decode every tensor, change its type, save them all."""
    wanted = {"f16": np.float16, "f32": np.float32}[dtype]
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(source).tensors}
    save_file({name: np.ascontiguousarray(values.astype(wanted)) for name, values in tensors.items()}, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
