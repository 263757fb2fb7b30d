"""Files that the package `safetensors` writes, from NumPy and from torch."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from conformance.scripts.gold._inputs import GOLD, tensor, write_expected

SHAPES = ((3,), (2, 3), (), (0, 4), (2, 1, 2))
NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
TORCH = {"BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}


def write() -> None:
    """One file with every type of NumPy's, one with torch's own."""
    folder = GOLD / "safetensors" / f"safetensors-{version('safetensors')}"
    folder.mkdir(parents=True, exist_ok=True)
    _numpy(folder / "numpy.safetensors")
    _torch(folder / "torch.safetensors")


def _numpy(path: Path) -> None:
    arrays = {
        f"{name.lower()}.{'x'.join(map(str, shape)) or 'scalar'}": (np.arange(np.prod(shape, dtype=int)) - 1)
        .astype(dtype)
        .reshape(shape)
        for name, dtype in NUMPY.items()
        for shape in SHAPES
    }
    save_file(arrays, path, metadata={"format": "np", "made": "h\u00e9llo"})
    write_expected(
        path, [tensor(n, a.shape, n.split(".")[0].upper(), a.tobytes()) for n, a in arrays.items()], naming="native"
    )


def _torch(path: Path) -> None:
    values = [0.0, -0.0, 1.0, -1.5, 448.0, 0.015625]
    tensors = {name.lower(): torch.tensor(values).to(kind).reshape(2, 3) for name, kind in TORCH.items()}
    save_torch(tensors, path, metadata={"format": "pt"})
    expected = [
        tensor(name, (2, 3), name.upper(), t.contiguous().view(torch.uint8).numpy().tobytes())
        for name, t in tensors.items()
    ]
    write_expected(path, expected, naming="native")
