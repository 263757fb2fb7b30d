"""`hub runtime install`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hub.errors import UsageError

runtime = typer.Typer(rich_markup_mode=None, add_completion=False)


@runtime.callback()
def _runtime() -> None:  # with it, the one command below stays a command of the group
    """Install what runs models: hub-runtime and llama.cpp."""


@runtime.command()
def install(
    backend: Annotated[str, typer.Option(metavar="cpu|cuda|metal|vulkan", help="What llama.cpp computes on.")] = "cpu",
    source: Annotated[
        str | None, typer.Option(metavar="WHAT", help="hub-runtime as pip takes it: a name, a wheel, a folder.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")] = False,
) -> int:
    """Compile llama-cpp-python without the parts hub does not use, and install hub-runtime.

    There is no ready-made package: pip compiles C++ here, for minutes. A C++ compiler is needed, and for a GPU its
    tool kit. What is done, and how long it took, is said.
    """
    from hub.runtime_install import BACKENDS, HOOK, install_runtime, steps, usual_source

    if backend not in BACKENDS:
        raise UsageError(f"--backend is one of {', '.join(BACKENDS)}, not {backend!r}")
    source = source or usual_source()
    if dry_run:
        print("\n  ".join(["HOOK.cmake stands for a file of these lines:", *HOOK.splitlines()]))
        for step in steps(backend, source):
            print(f"{step.why}\n  {step.shown}")
        return 0
    seconds = install_runtime(backend, source, lambda line: print(line, file=sys.stderr))
    print(f"hub-runtime is installed for {backend}; that took {seconds:.0f} s")
    return 0
