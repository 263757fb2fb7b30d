"""What hub loads of this package: a codec, and a runtime whose smoke test is a forward pass in another process."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hub import processes
from hub.hookspecs import hookimpl
from hub.interface import Codec, Finding, Runtime, Stage

_SECONDS = 600  # a large model is converted and read within this


class LlamaCpp:
    """llama.cpp, by way of llama-cpp-python."""

    name = "llama.cpp"

    def smoke_test(self, path: Path) -> Finding:
        """Load the model, compute a few tokens and look at the logits.

        In another process: on a model that it does not expect, llama.cpp may end the process it runs in.
        """
        if importlib.util.find_spec("llama_cpp") is None:
            return Finding(Stage.INFERENCE, "SKIP", "llama-cpp-python is not installed; hub runtime install builds it")
        command = processes.module("hub_runtime.smoke", str(path))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return Finding(Stage.INFERENCE, "FAIL", f"a forward pass took longer than {_SECONDS} s")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            return Finding(Stage.INFERENCE, "FAIL", f"llama.cpp ended with code {done.returncode}: {last}")
        found = json.loads(done.stdout)
        return Finding(Stage.INFERENCE, found["outcome"], found["detail"])


@hookimpl
def hub_provides() -> Sequence[Runtime | Codec]:
    """The one runtime, and ggml's codec where its library is installed."""
    from hub_runtime.codecs import ggml

    codec = ggml()
    return [LlamaCpp()] if codec is None else [LlamaCpp(), codec]
