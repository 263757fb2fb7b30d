"""Builds the kernels with the C++ compiler that is there; run it to build them where the hub lies: _build.py.

The library bears the digest of its sources in its name, so that one of older sources is never loaded. On x86-64 the
kernels are built for three levels of instructions, of which the library takes what the machine has.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "src"

# Nothing may be fused or reordered: every bit is that of the reference.
FLAGS = (
    "-std=c++17", "-O3", "-fPIC", "-fno-exceptions", "-fno-rtti", "-ffp-contract=off", "-fno-math-errno",
    "-fno-trapping-math", "-fno-strict-aliasing", "-fvisibility=hidden", "-w",
)  # fmt: skip

# Level: lanes of a vector of float32, and what the compiler may use.
PORTABLE: dict[str, tuple[int, tuple[str, ...]]] = {"portable": (4, ())}
X86: dict[str, tuple[int, tuple[str, ...]]] = {
    "avx2": (8, ("-mavx2", "-mf16c")),
    "avx512": (16, ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mf16c")),
}


def digest() -> str:
    """The digest of the sources, twelve hexadecimal digits."""
    whole = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(SOURCES.iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


def library() -> Path:
    """Where the library of these sources lies, if it was built."""
    return HERE / f"kernels-{digest()}.so"


def compiler() -> str | None:
    """The C++ compiler: what CXX says, or the first there is."""
    named = os.environ.get("CXX")
    return next(filter(None, (shutil.which(name) for name in (named, "c++", "g++", "clang++") if name)), None)


def build() -> Path | None:
    """Build the library unless it is there; None, with a word on stderr, where that cannot be done."""
    target = library()
    if target.exists():
        return target
    command = compiler()
    if command is None:
        print("hub: no C++ compiler found: codecs stay with NumPy", file=sys.stderr)
        return None
    try:
        with tempfile.TemporaryDirectory(dir=HERE, prefix=".build-") as folder:
            made = _compiled(command, Path(folder))
            made.replace(target)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        print(f"hub: the kernels were not built, codecs stay with NumPy: {said[0] if said else error}", file=sys.stderr)
        return None
    for old in HERE.glob("kernels-*.so"):
        if old != target:
            old.unlink(missing_ok=True)
    return target


def _compiled(command: str, folder: Path) -> Path:
    x86 = platform.machine().lower() in {"x86_64", "amd64"} and sys.maxsize > 1 << 32
    units = [
        (f"{level}.o", "kernels.cpp", [f"-DHUB_LEVEL={level}", f"-DHUB_LANES={lanes}", *flags])
        for level, (lanes, flags) in (PORTABLE | (X86 if x86 else {})).items()
    ]
    units.append(("dispatch.o", "dispatch.cpp", ["-DHUB_X86"] if x86 else []))

    def run(*arguments: object) -> None:
        subprocess.run([command, *map(str, arguments)], check=True, capture_output=True, text=True)  # noqa: S603

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(run, *FLAGS, *more, "-c", SOURCES / file, "-o", folder / o) for o, file, more in units]
        for one in done:
            one.result()
    made = folder / "kernels.so"
    plain = [] if sys.platform == "darwin" else ["-Wl,--as-needed"]
    run("-shared", "-o", made, *(folder / unit[0] for unit in units), *plain)
    return made


if __name__ == "__main__":
    sys.exit(build() is None)
