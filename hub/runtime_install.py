"""Installing hub-runtime: a short build of llama-cpp-python, then the plugin.

The package index has no wheel of llama-cpp-python, so pip compiles it. The build here leaves out what hub does not use
(multimodal models, llama.cpp's own programs and their common library, TLS), which takes a quarter of the time.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import HubError

LLAMA = "llama-cpp-python==0.3.36"

# The CMake switches of each backend (llama.cpp, docs/build.md).
BACKENDS = {"cpu": "", "cuda": "-DGGML_CUDA=ON", "metal": "-DGGML_METAL=ON", "vulkan": "-DGGML_VULKAN=ON"}

# llama-cpp-python forces these two on in CMake's cache; a normal variable set from the project hook goes before it.
HOOK = "set(LLAMA_BUILD_COMMON OFF)\nset(LLAMA_OPENSSL OFF)\n"
LEAN = ("-DLLAVA_BUILD=OFF", "-DMTMD_BUILD=OFF", "-DLLAMA_BUILD_TOOLS=OFF")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of pip: what it is for, the arguments, and variables of its environment."""

    why: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The command as one would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(self.arguments)])


def usual_source() -> str:
    """Where hub-runtime comes from: the folder beside this hub in a checkout, else the package index."""
    beside = Path(__file__).parents[1] / "plugins" / "runtime"
    return str(beside) if (beside / "pyproject.toml").is_file() else "hub-runtime"


def steps(backend: str, source: str, hook: str = "HOOK.cmake") -> list[Step]:
    """What `install_runtime` does; `hook` is the path of a file that holds `HOOK`."""
    cores = os.cpu_count() or 1
    build = {
        "CMAKE_ARGS": " ".join(filter(None, [*LEAN, f"-DCMAKE_PROJECT_INCLUDE={hook}", BACKENDS[backend]])),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(cores),
    }
    install = _installer()
    fresh = ("--no-cache-dir", "--force-reinstall", "--no-deps")
    compiled = Step(
        f"compile {LLAMA} for {backend} on {cores} cores: on two, about 2.5 minutes and 1.4 GB for the CPU, more for "
        "a GPU",
        (*install, *fresh, "--no-binary", "llama-cpp-python", LLAMA),
        build,
    )
    return [compiled, Step("install hub-runtime, and what llama-cpp-python needs", (*install, LLAMA, source))]


def _installer() -> tuple[str, ...]:
    """The pip of this Python; uv's where the environment has no pip of its own."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable, "-m", "pip", "install"
    if shutil.which("uv"):
        return "uv", "pip", "install", "--python", sys.executable
    raise HubError("neither pip nor uv is there to install with", hint="python -m ensurepip adds pip")


def install_runtime(backend: str, source: str, tell: Callable[[str], None]) -> float:
    """Build and install, saying each step before it starts; the seconds it took. `HubError` when a step fails."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="hub-build-") as folder:
        hook = Path(folder) / "lean.cmake"
        hook.write_text(HOOK, encoding="utf-8")
        for step in steps(backend, source, hook.as_posix()):
            tell(f"{step.why}\n  {step.shown}")
            done = subprocess.run(step.arguments, env={**os.environ, **step.environment}, check=False)  # noqa: S603
            if done.returncode:
                raise HubError(f"this step failed with code {done.returncode}: {step.why}", hint="pip says why above")
    return time.perf_counter() - started
