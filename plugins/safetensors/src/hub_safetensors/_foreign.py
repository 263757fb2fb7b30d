"""Weights that mean nothing without another program's scales: refused with the reason, not converted wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hub.errors import UnsupportedFile

# Endings of tensor names that give a scheme away, where config.json is silent or missing.
SCHEMES = {
    ".qweight": "GPTQ or AWQ", ".qzeros": "GPTQ or AWQ", ".g_idx": "GPTQ",
    ".absmax": "bitsandbytes", ".quant_map": "bitsandbytes", ".SCB": "bitsandbytes",
    ".weight_packed": "compressed-tensors", ".weight_scale_inv": "block-scaled FP8",
    "_blocks": "MXFP4", ".lora_A.weight": "adapter", ".lora_B.weight": "adapter",
}  # fmt: skip


def refuse_foreign(config: Mapping[str, Any], names: Iterable[str], path: Path) -> None:
    """`UnsupportedFile` when the weights are quantized by a scheme that is not decoded, or are an adapter's."""
    scheme = _by_config(config) or _by_names(set(names))
    if scheme == "adapter":
        raise UnsupportedFile("an adapter, not a whole model", file=path, hint="merge it into its base model first")
    if scheme:
        message = f"quantized as {scheme}: its values need scales that the format itself does not define"
        raise UnsupportedFile(message, file=path, hint="convert the unquantized model instead")


def _by_config(config: Mapping[str, Any]) -> str:
    stated = config.get("quantization_config") or config.get("compression_config")
    if isinstance(stated, Mapping):
        return str(stated.get("quant_method") or "a scheme that quantization_config describes")
    mlx = config.get("quantization")
    return "MLX" if isinstance(mlx, Mapping) and "bits" in mlx else ""


def _by_names(names: set[str]) -> str:
    for name in names:
        for ending, scheme in SCHEMES.items():
            if name.endswith(ending):
                return scheme
    stems = {name.removesuffix(".scales") for name in names if name.endswith(".scales")}
    return "MLX" if any(f"{stem}.weight" in names for stem in stems) else ""
