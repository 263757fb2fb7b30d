"""Models loaded by several threads at once, in a process whose end would be seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOADS = """
import sys
from pathlib import Path
from threading import Thread

from hub_runtime.engine import Request, Slots, generate, load
from hub_runtime.loading import Wanted, load_any

said = []


def speak(model):
    with model.context(64, threads=1) as context:
        tokens = generate(Slots(context), Request(model.vocab.tokenize("Once"), max_tokens=5))
        said.append("".join(token.text for token in tokens))


def bridged(path):
    with load_any(Wanted(path, gpu_layers=0)) as loaded:
        speak(loaded.model)


def plain(path):
    with load(path, gpu_layers=0) as model:
        speak(model)


gguf, apr = map(Path, sys.argv[1:])
threads = [Thread(target=how, args=(path,)) for _ in range(3) for how, path in ((plain, gguf), (bridged, apr))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(said), len(set(said)))
"""


@pytest.mark.usefixtures("llama")
def test_threads_may_load_models_as_they_like(tiny: Path, tiny_apr: Path) -> None:
    command = [sys.executable, "-c", LOADS, str(tiny), str(tiny_apr)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["6", "1"]), done
