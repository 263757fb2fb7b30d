"""What the runtime is held against: llama.cpp's own llama-bench, and a bare loop around llama_decode."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hub_runtime.engine import Context, library


@dataclass(frozen=True, slots=True)
class LlamaBench:
    """The program at `path`; it runs on the libraries of the installed llama-cpp-python, so on the same kernels."""

    path: Path

    def measure(self, model: Path, threads: int, *, prompt: int = 0, count: int = 0, depth: int = 0) -> float:
        """Tokens per second of a prompt of `prompt` tokens, or of `count` behind `depth` others, warmed up."""
        libraries = Path(library().__file__).parent / "lib"
        command = (str(self.path), "-m", str(model), "-t", str(threads), "-ngl", "0", "-o", "json")
        done = subprocess.run(  # noqa: S603  # the program that the caller names
            [*command, "-p", str(prompt), "-n", str(count), "-d", str(depth), "-r", "1"],
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)}, check=True, capture_output=True,
        )  # fmt: skip
        (found,) = json.loads(done.stdout)
        return float(found["avg_ts"])


class Bare:
    """llama_decode in a loop, the likeliest token taken, and nothing else: no text, no stopping, no objects.

    `context` has the settings that the runtime gives its own.
    """

    def __init__(self, context: Context) -> None:
        self._c: Any = library()
        self._context = context
        self._batch = self._c.llama_batch_init(context.batch_size, 0, 1)

    def close(self) -> None:
        """Free the batch."""
        self._c.llama_batch_free(self._batch)

    def generate(self, prompts: Sequence[Sequence[int]], count: int) -> tuple[float, float, list[list[int]]]:
        """Seconds in all, seconds from the first token to the last, and the tokens of each prompt."""
        self._context.clear()
        started = time.perf_counter()
        ends = self._prompts(prompts)
        self._decode()
        found = [[token] for token in self._likeliest(ends)]
        first = time.perf_counter()
        for step in range(count - 1):
            self._tokens(prompts, found, step)
            self._decode()
            for tokens, token in zip(found, self._likeliest(range(len(prompts))), strict=True):
                tokens.append(token)
        ended = time.perf_counter()
        return ended - started, ended - first, found

    def _prompts(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """All prompts in one batch; the places of their last tokens."""
        batch, place, ends = self._batch, 0, []
        for sequence, tokens in enumerate(prompts):
            for position, token in enumerate(tokens):
                self._put(place, token, position, sequence, position == len(tokens) - 1)
                place += 1
            ends.append(place - 1)
        batch.n_tokens = place
        return ends

    def _tokens(self, prompts: Sequence[Sequence[int]], found: list[list[int]], step: int) -> None:
        """The newest token of each."""
        for sequence, tokens in enumerate(found):
            self._put(sequence, tokens[-1], len(prompts[sequence]) + step, sequence, True)
        self._batch.n_tokens = len(found)

    def _put(self, place: int, token: int, position: int, sequence: int, wanted: bool) -> None:
        batch = self._batch
        batch.token[place], batch.pos[place], batch.logits[place] = token, position, wanted
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, sequence

    def _decode(self) -> None:
        if self._c.llama_decode(self._context.handle, self._batch):
            raise RuntimeError("llama_decode failed")

    def _likeliest(self, places: Sequence[int]) -> list[int]:
        size = self._context.model.vocab.size
        rows = (self._c.llama_get_logits_ith(self._context.handle, place) for place in places)
        floats = ctypes.c_float * size
        views = (np.ctypeslib.as_array(floats.from_address(ctypes.addressof(row.contents))) for row in rows)
        return [int(view.argmax()) for view in views]
