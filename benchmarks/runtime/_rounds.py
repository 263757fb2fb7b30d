"""One run: every way to compute measured in turn, round after round, the odd rounds backwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from benchmarks.runtime._loops import Bare, LlamaBench
from benchmarks.runtime._prompts import PROMPTS, fresh
from benchmarks.runtime._servers import LlamaCppServer, Ours, clients
from benchmarks.tracing import round_of
from benchmarks.tracing import ways as tracing_ways
from hub_runtime.engine import LoadedModel
from hub_runtime.loading import Loaded, load_any
from hub_runtime.loading import Wanted as ModelWanted
from hub_runtime.measure import Host, Tracer

CLIENTS = 8
TOGETHER = 48  # tokens of each answer when there are many: longer ones often end by themselves
ATTEMPTS = 20  # rounds until all answers have them
CTX = 512  # positions of each sequence, for all contexts alike
PROMPT_SIZE = 128  # tokens of the prompt that is traced

Samples = dict[str, dict[int, float]]  # by name and round
Way = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure: `apr` is the same model as an APR file; None leaves out what needs it. So with the programs."""

    model: Path
    threads: int
    rounds: int
    tokens: int
    llama_bench: Path | None
    llama_cpp_server: Path | None
    apr: Path | None


def measure(wanted: Wanted) -> tuple[Samples, Host]:
    """All samples of one run, by name: tokens per second, shares of time, or milliseconds where the name says so."""
    samples: Samples = {}
    with ExitStack() as stack:
        loaded = stack.enter_context(load_any(ModelWanted(wanted.model, gpu_layers=0)))
        ways = _ways(wanted, loaded, stack)
        for _, way in ways:  # files into memory, caches filled, code compiled
            way()
        for number in range(wanted.rounds):
            due = [way for every, way in ways if number % every == 0]
            for way in due if number % 2 == 0 else reversed(due):
                for name, value in way().items():
                    samples.setdefault(name, {})[number] = float(f"{value:.5g}")
            print(f"round {number + 1} of {wanted.rounds}", file=sys.stderr, flush=True)
        return samples, Host.here(loaded.model)


def _ways(wanted: Wanted, loaded: Loaded, stack: ExitStack) -> list[tuple[int, Way]]:
    """What is measured, and every how many rounds."""
    single, server = (
        stack.enter_context(Ours(wanted.model, wanted.threads, "--parallel", str(slots), "--ctx", str(CTX)))
        for slots in (1, CLIENTS)
    )
    copied = stack.enter_context(load_any(ModelWanted(wanted.model, gpu_layers=0, mmap=None)))  # as the server does it
    bare_one, bare_many = _bare(wanted, copied.model, stack)
    found: list[tuple[int, Way]] = [(1, lambda: _run(wanted)), (1, lambda: _one(single.url, wanted))]
    if wanted.llama_bench is not None:
        program = LlamaBench(wanted.llama_bench)
        depth = len(loaded.model.vocab.tokenize(PROMPTS[0]))
        found.insert(1, (1, lambda: _llama_bench(program, wanted, depth)))  # between what is held against it
        found.append((4, lambda: _llama_bench_prompt(program, wanted)))
    found += [(1, bare_one), (2, bare_many), (2, lambda: _many(server))]
    if wanted.llama_cpp_server is not None:
        theirs = stack.enter_context(LlamaCppServer(wanted.llama_cpp_server, wanted.model, wanted.threads))
        found.append((6, lambda: _theirs(theirs.url, wanted)))
    return [*found, (2, _loads(wanted, stack)), (4, _tracing(wanted, loaded.model, stack))]


def _llama_bench(program: LlamaBench, wanted: Wanted, depth: int) -> Mapping[str, float]:
    """As many tokens as an answer has, behind as many as the prompt has: attention costs with what is behind it."""
    return {"llama-bench": program.measure(wanted.model, wanted.threads, count=wanted.tokens, depth=depth)}


def _llama_bench_prompt(program: LlamaBench, wanted: Wanted) -> Mapping[str, float]:
    return {"llama-bench, prompt": program.measure(wanted.model, wanted.threads, prompt=PROMPT_SIZE)}


def _run(wanted: Wanted) -> Mapping[str, float]:
    """`hub run`, a fresh process each time as llama-bench is one."""
    timing = _hub_run(wanted.model, wanted.threads, wanted.tokens)["timing"]
    return {"hub run": timing["tokens_per_second"]}


def _one(url: str, wanted: Wanted) -> Mapping[str, float]:
    return {"hub serve, 1 client": clients(url, PROMPTS[:1], wanted.tokens).steady}


def _many(server: Ours) -> Mapping[str, float]:
    for _ in range(ATTEMPTS):  # where an answer ends early, fewer than eight are computed together from there on
        before = server.metrics()
        rates = clients(server.url, fresh(CLIENTS), TOGETHER)
        after = server.metrics()
        if rates.whole:
            decoding, busy = (after[name] - before[name] for name in ("hub_engine_decode_seconds_total", _BUSY))
            return {"hub serve, 8 clients": rates.total, "share in llama_decode": decoding / busy}
    raise RuntimeError(f"in each of {ATTEMPTS} rounds some answer had fewer than {TOGETHER} tokens")


_BUSY = "hub_engine_busy_seconds_total"


def _theirs(url: str, wanted: Wanted) -> Mapping[str, float]:
    one = clients(url, PROMPTS[:1], wanted.tokens).steady
    return {
        "llama_cpp.server, 1 client": one,
        "llama_cpp.server, 8 clients": clients(url, fresh(CLIENTS), TOGETHER).total,
    }


def _bare(wanted: Wanted, model: LoadedModel, stack: ExitStack) -> list[Way]:
    """The bare loop over one sequence and over as many as there are clients."""
    context = stack.enter_context(model.context(CTX, sequences=CLIENTS, threads=wanted.threads))
    loop = stack.enter_context(closing(Bare(context)))

    def one() -> Mapping[str, float]:
        tokens = [model.vocab.tokenize(PROMPTS[0])]
        return {"bare loop, batch 1": (wanted.tokens - 1) / loop.generate(tokens, wanted.tokens)[1]}

    def many() -> Mapping[str, float]:
        tokens = [model.vocab.tokenize(prompt) for prompt in fresh(CLIENTS)]
        return {"bare loop, batch 8": CLIENTS * TOGETHER / loop.generate(tokens, TOGETHER)[0]}

    return [one, many]


def _loads(wanted: Wanted, stack: ExitStack) -> Way:
    """Milliseconds from the file to a model in memory, and of all but the answer, in processes of their own.

    Of a copy of the GGUF, as nobody else has mapped the cache's file either; means of two starts, there and back.
    """
    copy = Path(stack.enter_context(TemporaryDirectory())) / wanted.model.name
    shutil.copyfile(wanted.model, copy)
    paths = {"GGUF": copy} | ({"APR": wanted.apr} if wanted.apr is not None else {})

    def way() -> Mapping[str, float]:
        found: dict[str, list[float]] = {}
        for name in (*paths, *reversed(paths)):
            started = time.perf_counter()
            timing = _hub_run(paths[name], wanted.threads, 1)["timing"]
            around = time.perf_counter() - started - timing["seconds"]
            found.setdefault(f"{name} process ms", []).append(1000 * around)
            found.setdefault(f"{name} load ms", []).append(1000 * (timing["bridge_seconds"] + timing["load_seconds"]))
        return {name: mean(values) for name, values in found.items()}

    return way


def _hub_run(model: Path, threads: int, tokens: int) -> dict[str, dict[str, float]]:
    """The document of `hub run`."""
    command = (sys.executable, "-m", "hub", "run", str(model), "--raw", "-p", PROMPTS[0], "--json")
    rest = ("--max-tokens", str(tokens), "--threads", str(threads), "--no-gpu")
    done = subprocess.run([*command, *rest], check=True, capture_output=True)  # noqa: S603  # ourselves
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def _tracing(wanted: Wanted, model: LoadedModel, stack: ExitStack) -> Way:
    """Milliseconds of CPU time of a prompt without a callback, and with layers traced."""
    tracer = Tracer()
    tokens = (model.vocab.tokenize("The quick brown fox jumps over the lazy dog. ") * PROMPT_SIZE)[:PROMPT_SIZE]
    plain = stack.enter_context(model.context(CTX, threads=wanted.threads))
    watched = stack.enter_context(model.context(CTX, threads=wanted.threads, on_node=tracer))

    def way() -> Mapping[str, float]:
        known = {name: known[1] for name, known in tracing_ways(tracer).items()}
        times = {
            "untraced prompt ms": round_of(plain, tokens, known["no callback"])[0],
            "traced prompt ms": round_of(watched, tokens, known["layers, statistics"])[0],
        }
        speed = {"hub's own context, prompt": PROMPT_SIZE / times["untraced prompt ms"]}
        return speed | {name: 1000 * seconds for name, seconds in times.items()}

    return way
