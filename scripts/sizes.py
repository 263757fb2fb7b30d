"""Fails when a file or function outgrows what one can read at once.

No file over 600 lines, no function over 60, and half of the source files at most 150.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

FILE, FUNCTION, MEDIAN = 600, 60, 150


def tracked() -> list[Path]:
    """Python files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True)  # noqa: S607
    return [Path(line) for line in listed.stdout.splitlines() if Path(line).exists()]


def long_functions(path: Path) -> list[str]:
    """`file:line name (lines)` of functions that are too long."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, kinds)]
    lengths = [(n, (n.end_lineno or n.lineno) - n.lineno + 1) for n in nodes]
    return [f"{path}:{n.lineno} {n.name} ({length} lines)" for n, length in lengths if length > FUNCTION]


def main() -> int:
    """Print what is too long; 1 when anything is."""
    files = tracked()
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    problems = [f"{path} ({count} lines)" for path, count in lines.items() if count > FILE]
    problems += [found for path in files for found in long_functions(path)]
    source = [count for path, count in lines.items() if "tests" not in path.parts]
    median = statistics.median(source)
    if median > MEDIAN:
        problems.append(f"the median source file has {median} lines, more than {MEDIAN}")
    print(f"{len(files)} files, source median {median:g} lines, longest {max(lines.values())}")
    print("\n".join(problems), file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
