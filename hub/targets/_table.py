"""The targets as data."""

from __future__ import annotations

from dataclasses import dataclass

from hub.errors import UsageError

# What ggml multiplies by on a CPU, and so in WebAssembly (`type_traits_cpu` of ggml-cpu.c).
_GGML = frozenset({
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ1_S",
    "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4",
})  # fmt: skip


@dataclass(frozen=True)
class DeploymentTarget:
    """A place where models run.

    `runs` is the format that the program there loads, whatever the file is; `encodings` are what it computes with;
    `largest` is how many bytes one of its files may have. `smallest` is the recipe that `--optimize-size` uses, and
    `wide` how many bits a value must take at least for a matrix to be encoded by it.
    """

    name: str
    title: str
    runs: str
    encodings: frozenset[str]
    largest: int
    smallest: str
    wide: float


TARGETS = {
    target.name: target
    for target in (
        # A browser's ArrayBuffer, and a file that WebAssembly's C library seeks in, end at 2 GiB.
        DeploymentTarget("wasm", "llama.cpp in a web page", "gguf", _GGML, 2_000_000_000, "q4_k_m", 8.0),
    )
}


def named(name: str) -> DeploymentTarget:
    """The target called `name`; `UsageError` lists what there is."""
    if name not in TARGETS:
        raise UsageError(f"--target: {name!r} is no place that is known; there is {', '.join(TARGETS)}")
    return TARGETS[name]
