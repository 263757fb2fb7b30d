"""Which machines a bundle made here runs on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hub_deploy.bundle import _elf

# llama.cpp's names of what it was compiled with (llama_print_system_info), and Linux's names of the same.
_FEATURES = {
    "SSE3": "pni", "SSSE3": "ssse3", "AVX": "avx", "AVX_VNNI": "avx_vnni", "AVX2": "avx2", "F16C": "f16c",
    "FMA": "fma", "BMI2": "bmi2", "AVX512": "avx512f", "AVX512_VBMI": "avx512_vbmi", "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16", "AMX_INT8": "amx_int8", "NEON": "asimd", "FP16_VA": "asimdhp", "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm", "SVE": "sve", "SME": "sme",
}  # fmt: skip

# glibc's own, which are there wherever it is.
_GLIBC = ("ld-linux", "libc.", "libm.", "libdl.", "libpthread.", "librt.", "libutil.")


@dataclass(frozen=True, slots=True)
class RunsOn:
    """Python's version and implementation; system and machine; and what the native libraries need of them.

    `glibc` is the least version ("2.28"), None elsewhere than on Linux; `libraries` those of the system; `cpu` features
    of the processor that llama.cpp was compiled for, as Linux names them.
    """

    python: str
    implementation: str
    system: str
    machine: str
    glibc: str | None
    libraries: tuple[str, ...]
    cpu: tuple[str, ...]


class Needs:
    """Collects what native libraries need, one after the other."""

    def __init__(self) -> None:
        self._glibc = (0, 0)
        self._needed: set[str] = set()
        self._there: set[str] = set()

    def add(self, name: str, data: bytes) -> None:
        """A file of the bundle."""
        if data[:4] == b"\x7fELF":
            self._there.add(PurePosixPath(name).name)
            self._glibc = max(self._glibc, _elf.glibc(data))
            self._needed |= set(_elf.needed(data))

    def runs_on(self, info: str) -> RunsOn:
        """The machines; `info` is what llama.cpp says of itself."""
        system = "macos" if sys.platform == "darwin" else sys.platform
        libraries = sorted(n for n in self._needed - self._there if not n.startswith(_GLIBC))
        return RunsOn(
            "{}.{}".format(*sys.version_info[:2]), sys.implementation.name, system, os.uname().machine,
            "{}.{}".format(*self._glibc) if system == "linux" and self._glibc > (0, 0) else None,
            tuple(libraries), tuple(_features(info)),
        )  # fmt: skip


def _features(info: str) -> Iterable[str]:
    """Of "CPU : SSE3 = 1 | AVX = 1 | OPENMP = 1 |" those that are features of the processor."""
    pairs = (part.rpartition(":")[2].partition("=") for part in info.split("|"))
    return sorted({_FEATURES[name.strip()] for name, _, on in pairs if name.strip() in _FEATURES and on.strip() == "1"})
