"""What tracing costs, in one run: tracing.py MODEL.gguf [TOKENS].

Seconds of CPU time of one thread, the best of several rounds in turn, of a prompt and of one token after it: without a
callback, with one that wants nothing, with layers timed and their statistics taken (as `hub trace` does), and with
every node timed (as `hub profile` does).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from hub_runtime.engine import Context, load
from hub_runtime.measure import Gatherer, Node, Tracer, feed

ROUNDS, STEPS = 5, 16
LAYER = re.compile(r"l_out-\d+\Z")

Way = Callable[[], AbstractContextManager[None]]


def ways(tracer: Tracer) -> dict[str, tuple[bool, Way]]:
    """What to compare: whether the context has the callback, and how it is watched."""

    @contextmanager
    def layers() -> Iterator[None]:
        found: dict[str, Gatherer] = {}

        def see(node: Node, _: int) -> None:
            values = node.values()
            if values is not None:
                found.setdefault(node.name, Gatherer()).add(values)

        with tracer.watching(lambda name: LAYER.match(name) is not None, see):
            yield

    @contextmanager
    def nodes() -> Iterator[None]:
        times: dict[str, int] = {}
        with tracer.watching(bool, lambda node, ns: times.__setitem__(node.name, ns)):
            yield

    return {
        "no callback": (False, nullcontext),
        "wants nothing": (True, nullcontext),
        "layers, statistics": (True, layers),
        "every node, time": (True, nodes),
    }


def round_of(context: Context, tokens: list[int], way: Way) -> tuple[float, float]:
    """Seconds for the prompt, and for one token after it."""
    context.clear()
    start = time.process_time()
    with way():
        feed(context, tokens)
    prompt = time.process_time() - start
    start = time.process_time()
    for step in range(STEPS):
        with way():
            feed(context, [tokens[-1]], len(tokens) + step)
    return prompt, (time.process_time() - start) / STEPS


def main(model: Path, count: int) -> None:
    """Print one line for each way."""
    tracer = Tracer()
    with load(model, gpu_layers=0) as loaded:
        tokens = (loaded.vocab.tokenize("The quick brown fox jumps over the lazy dog. ") * count)[:count]
        size = count + STEPS
        with loaded.context(size, threads=1) as plain, loaded.context(size, threads=1, on_node=tracer) as watched:
            best = {name: (float("inf"), float("inf")) for name in ways(tracer)}
            for _ in range(ROUNDS):
                for name, (traced, way) in ways(tracer).items():
                    prompt, token = round_of(watched if traced else plain, tokens, way)
                    best[name] = (min(best[name][0], prompt), min(best[name][1], token))
    first = best["no callback"]
    print(f"{loaded.path.name}, {count} tokens of prompt, ms of CPU time and times the first line")
    for name, (prompt, token) in best.items():
        ratios = f"{prompt / first[0]:.2f} {token / first[1]:.2f}"
        print(f"{name:20} prompt {1000 * prompt:8.1f}  token {1000 * token:7.2f}  {ratios}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256)
