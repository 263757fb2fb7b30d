from __future__ import annotations

import gguf

from hub.ir import ENCODINGS

# The package still has the size of before 2024, when both scales were float32; ggml's block_q8_1 holds two halves.
STALE = {"Q8_1": (32, 40)}


def test_block_sizes_are_those_of_the_gguf_package() -> None:
    sizes = {kind.name: size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    for name, size in sizes.items():
        if STALE.get(name) != size:
            assert (ENCODINGS[name].block, ENCODINGS[name].nbytes) == size, name
