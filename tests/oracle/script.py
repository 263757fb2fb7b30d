"""Runs llama.cpp's own convert_hf_to_gguf.py, unchanged, over many folders in one process.

Run as a program it reads jobs from standard input, JSON [[folder, outfile, outtype, pre or null], ...], and prints one
line of JSON a job: null, or what went wrong. Two things are told to the script that it cannot find out here. It knows
pre-tokenizers by a hash over a whole real vocabulary, and the small ones made here are in no list. And it reads
config.json through transformers, whose version 5 takes away a key that the script still asks for: it is given back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Job = tuple[Path, Path, str, str | None]


def checkout() -> Path | None:
    """The folder of llama.cpp's sources that HUB_LLAMA_CPP names; None when it is not there."""
    folder = Path(os.environ.get("HUB_LLAMA_CPP", "/nonexistent"))
    return folder if (folder / "convert_hf_to_gguf.py").is_file() else None


def convert(jobs: Sequence[Job], sources: Path) -> list[str | None]:
    """Run the script on each job; None where it wrote the file, its error where it did not."""
    lines = json.dumps([[str(folder), str(out), outtype, pre] for folder, out, outtype, pre in jobs])
    done = subprocess.run(
        [sys.executable, __file__, str(sources)], input=lines, capture_output=True, text=True, check=False, timeout=900
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("null", '"'))]
    if len(answers) != len(jobs):
        raise RuntimeError(f"the script ended after {len(answers)} of {len(jobs)} jobs: {done.stderr[-2000:]}")
    return answers


def _main(sources: str) -> None:
    sys.path.insert(0, sources)
    sys.argv[1:] = []
    import convert_hf_to_gguf as script  # type: ignore[import-not-found]
    import torch

    torch.set_num_threads(1)
    from conversion import base  # type: ignore[import-not-found]

    loaded = base.ModelBase.load_hparams
    base.ModelBase.load_hparams = staticmethod(
        lambda folder, is_mistral_format: _taken_away(folder) | loaded(folder, is_mistral_format)
    )
    original = base.TextModel.get_vocab_base_pre
    for folder, out, outtype, pre in json.load(sys.stdin):
        base.TextModel.get_vocab_base_pre = original if pre is None else _named(pre)
        sys.argv[1:] = [folder, "--outfile", out, "--outtype", outtype]
        try:
            script.main()
            print("null", flush=True)
        except (Exception, SystemExit) as error:  # whatever the script raises is its answer
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)


def _taken_away(folder: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    return {k: v for k, v in values.items() if k == "rotary_pct"}


def _named(pre: str) -> Any:
    return lambda _self, _tokenizer: pre


if __name__ == "__main__":
    _main(sys.argv[1])
