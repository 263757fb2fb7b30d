"""llama.cpp's own quantizer, from llama-cpp-python's library: llama_quantize.py SOURCE.gguf TARGET.gguf TYPE THREADS.

TYPE is the name behind LLAMA_FTYPE_MOSTLY_, such as Q4_K_M.
"""

from __future__ import annotations

import sys

import llama_cpp


def main(source: str, target: str, kind: str, threads: str) -> int:
    """Quantize and return llama.cpp's exit code."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}")
    params.nthread = int(threads)
    params.allow_requantize = True
    return int(llama_cpp.llama_model_quantize(source.encode(), target.encode(), params))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
