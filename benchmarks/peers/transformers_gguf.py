"""transformers loads a GGUF and saves it as a folder: transformers_gguf.py SOURCE.gguf TARGET f16|f32."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


def main(source: str, target: str, dtype: str) -> None:
    """Load on the CPU and save."""
    wanted = {"f16": torch.float16, "f32": torch.float32}[dtype]
    path = Path(source)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=wanted)
    vars(model)["hf_quantizer"] = None  # or it refuses to save what came from a GGUF, though every weight is decoded
    model.save_pretrained(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
