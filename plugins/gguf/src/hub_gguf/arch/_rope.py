"""Rope settings that GGUF holds as tensors of factors, both ways.

llama3: `rope_freqs.weight`, one divisor per pair of dimensions, as llama.cpp's converter computes it. longrope: the
long and short lists as they stand in config.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import DamagedFile, MissingFact
from hub.ir import F32, Config, Tensor

LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
FREQS = "rope_freqs.weight"

Factors = NDArray[np.float32]
_LARGEST = 2.0**127


def factors(tensor: Tensor) -> Factors:
    """The values of a factor tensor, float32; `DamagedFile` when it is none."""
    if tensor.encoding != F32 or len(tensor.shape) != 1 or not 0 < tensor.size <= 1 << 16:
        raise DamagedFile(
            f"{tensor.encoding} {list(tensor.shape)} was found, a short F32 vector was expected", tensor=tensor.name
        )
    return np.frombuffer(tensor.read(), np.float32)


def vector(name: str, values: Any) -> Tensor:
    """A float32 vector as a tensor; `MissingFact` when `values` are no numbers that it holds."""
    if isinstance(values, list) and not all(type(x) in {int, float} and abs(x) < _LARGEST for x in values):
        raise MissingFact(f"the config's rope scaling has no numbers for {name}")
    data = np.asarray(values, np.float32)
    return Tensor.from_bytes(name, data.shape, F32, data.tobytes())


def extra_tensors(config: Config) -> list[Tensor]:
    """The factor tensors that `config` asks for, in the order the converter writes them."""
    scaling: Mapping[str, Any] = config.fact("rope_scaling", dict) or {}
    if scaling.get("rope_type") == "llama3":
        return [vector(FREQS, llama3_factors(config.require("rope_theta", float), config.head_dim, scaling))]
    if scaling.get("rope_type") == "longrope" and scaling.get("long_factor"):
        lists = Config(scaling)
        return [vector(LONG, lists.require("long_factor", list)), vector(SHORT, lists.require("short_factor", list))]
    return []


def llama3_factors(theta: float, head_dim: int, scaling: Mapping[str, Any]) -> Factors:
    """Divisors of the rope frequencies, shape [head_dim / 2].

    Above the long wavelength all is divided by `factor`, below the short one nothing is, between them a blend
    (`_compute_llama3_parameters` of transformers). The converter computes frequencies in float32 and the blend in
    float32 too, since its scalars are float32 tensors; so does this, to the bit.
    """
    with np.errstate(all="ignore"):  # settings that make no sense give factors that make none
        return _blend(theta, head_dim, *_settings(scaling))


def _blend(theta: float, head_dim: int, factor: float, low: float, high: float, length: float) -> Factors:
    one = np.float32(1)
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    freqs = one / np.power(np.float32(theta), exponents)
    out = np.empty(len(freqs), np.float32)
    for at, freq in enumerate(freqs):
        wave = np.float32(2 * math.pi) / freq
        if wave < np.float32(np.float64(length) / high):
            out[at] = 1
        elif wave > np.float32(np.float64(length) / low):
            out[at] = factor
        else:
            smooth = (np.float32(length) / wave - np.float32(low)) / np.float32(high - low)
            out[at] = one / ((one - smooth) / np.float32(factor) + smooth)
    return out


def _settings(scaling: Mapping[str, Any]) -> tuple[float, float, float, float]:
    keys = {
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192
    }  # fmt: skip
    stated = Config(scaling)
    factor, low, high, length = (stated.fact(key, float) or usual for key, usual in keys.items())
    return factor, low, high, length


def llama3_scaling(values: Factors, theta: float, head_dim: int) -> dict[str, Any] | None:
    """The settings whose factors are exactly `values`; None when there are none of this kind.

    Between the two wavelengths 1/value = (1 - s)/factor + s with s = A / wavelength - B, a straight line in the
    frequency: A and B from a fit give `original = A (high - low)` and `high = low + low / B`. Only the ratios can be
    seen in the factors, so low is taken as 1, as every published model has it. Settings are tried round first.
    """
    factor = float(values.max())
    if len(values) != head_dim // 2 or not math.isfinite(factor) or factor <= 1:
        return None
    for high, length in _fits(values.astype(np.float64), theta, head_dim, factor):
        if length < 1:
            continue
        scaling = {
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": high,
            "original_max_position_embeddings": length,
        }
        if np.array_equal(llama3_factors(theta, head_dim, scaling), values):
            return scaling
    return None


def _fits(values: NDArray[np.float64], theta: float, head_dim: int, factor: float) -> Iterator[tuple[float, int]]:
    """Pairs of high and original length that may have made `values`, the likeliest first."""
    yield 4.0, 8192
    x = theta ** (-np.arange(0, head_dim, 2) / head_dim) / (2 * math.pi)
    inside = (values > 1) & (values < factor)
    smooth = (1 / values[inside] - 1 / factor) / (1 - 1 / factor)
    if len(smooth) >= 2:
        slope, offset = np.polyfit(x[inside], smooth, 1)
        highs = [round(1 - 1 / float(offset), digits) for digits in (0, 1, 3, 6)] if offset < 0 else []
        yield from ((high, round(float(slope) * (high - 1))) for high in highs)
    for high in _HIGHS:  # too few values between the wavelengths for a line: any setting that gives them is as good
        lengths = (smooth * (high - 1) + 1) / x[inside] if len(smooth) else _between(values, 1 / x, factor, high)
        yield from ((high, round(length)) for length in lengths.tolist()[:1])
        yield from ((high, 1 << power) for power in range(8, 21))


_HIGHS = (4.0, 8.0, 2.0, 3.0, 16.0, 1.5, 1.1, 1.01)


def _between(
    values: NDArray[np.float64], waves: NDArray[np.float64], factor: float, high: float
) -> NDArray[np.float64]:
    """A length above every kept wavelength times `high` and below every divided one."""
    kept, divided = waves[values == 1], waves[values == factor]
    low = high * float(kept.max()) if len(kept) else float(divided.min()) / 2
    return np.array([math.sqrt(low * float(divided.min()))])
