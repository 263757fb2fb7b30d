"""How fast a model answers: each run timed token by token, through the same engine as `hub run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hub.errors import UsageError
from hub.inspection import quantization, size_on_disk
from hub.plugins import registry
from hub_runtime.engine import Context, LoadedModel, NodeCallback, Request, Slots
from hub_runtime.loading import Loaded
from hub_runtime.measure._host import Host, MemoryUse, PeakMemory
from hub_runtime.measure._samples import RULE, Summary

PROMPT = "Explain in a few sentences how a steam engine turns heat into motion, and why it needs a condenser."

Tick = Callable[[int, int], None]  # (runs done, runs in all)


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What to run: `iterations` greedy answers to `prompt` of `max_tokens` tokens, after `warmup` uncounted ones."""

    prompt: str = PROMPT
    max_tokens: int = 32
    iterations: int = 5
    warmup: int = 1
    threads: int | None = None
    ctx: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer. `first_token_ms` counts from handing in the tokenized prompt; `token_ms` are the gaps behind it."""

    first_token_ms: float
    token_ms: list[float]
    total_ms: float

    @property
    def generation_per_second(self) -> float | None:
        """Tokens per second after the first; None when there is no second one."""
        return 1000 * len(self.token_ms) / seconds if (seconds := sum(self.token_ms)) else None


@dataclass(frozen=True, slots=True)
class Stored:
    """A model as it lies on the disk: all its files, its format's name and version, the encoding of its weights."""

    nbytes: int
    title: str
    quantization: str | None

    @classmethod
    def at(cls, path: Path) -> Stored:
        """How the model at `path`, which was let through and loaded before, is stored."""
        found = registry().find(path)
        model = found.read(path)
        title = str(model.metadata.get("format") or found.title or found.name)
        return cls(size_on_disk(path, model), title, quantization(model))


@dataclass(frozen=True, slots=True)
class LoadedFrom:
    """The model and how it came into memory; `bridge_ms` is reading, checking and perhaps converting the file.

    `mmap`: the weights stayed in the file. `converted`: it was converted to GGUF now, not found in the cache.
    `description` and `weight_bytes` are of what llama.cpp runs, `stored` of the file.
    """

    path: str
    format: str
    description: str
    parameters: int
    weight_bytes: int
    mmap: bool
    converted: bool
    bridge_ms: float
    load_ms: float
    stored: Stored

    @classmethod
    def of(cls, path: Path, loaded: Loaded) -> LoadedFrom:
        """What is known about a loaded model."""
        m = loaded.model
        sizes = (m.description, m.n_params, m.nbytes)
        times = (1000 * loaded.bridge_seconds, 1000 * m.load_seconds)
        return cls(str(path), loaded.format, *sizes, m.mmap, loaded.converted, *times, Stored.at(path))


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What `bench` measured; times in milliseconds, sizes in bytes. Every summary follows from `samples`."""

    model: LoadedFrom
    prompt: str
    prompt_tokens: int
    max_tokens: int
    warmup: int
    iterations: int
    threads: int
    ctx: int
    gpu_layers: int
    first_token_ms: Summary
    token_ms: Summary | None
    total_ms: Summary
    prompt_tokens_per_second: Summary
    generation_tokens_per_second: Summary | None
    memory: MemoryUse
    percentile_rule: str
    samples: list[Sample]
    host: Host


def bench(path: Path, loaded: Loaded, settings: BenchSettings, tick: Tick | None = None) -> BenchReport:
    """Answer `settings.prompt` again and again with the model loaded from `path`, nothing of an earlier run reused.

    Every answer has `max_tokens` tokens, whether or not the model would have ended it. `UsageError` when prompt and
    answer do not fit together.
    """
    peak, model = PeakMemory(), loaded.model
    tokens = model.vocab.tokenize(settings.prompt)
    with context_for(model, len(tokens), settings.max_tokens, settings.ctx, settings.threads) as context:
        samples = _samples(context, tokens, settings, tick)
        shape = (settings.warmup, settings.iterations, context.threads, context.ctx, model.gpu_layers)
        used = peak.use()
    return BenchReport(
        LoadedFrom.of(path, loaded),
        settings.prompt,
        len(tokens),
        settings.max_tokens,
        *shape,
        *summaries(samples, len(tokens)),
        used,
        RULE,
        samples,
        Host.here(model),
    )


def context_for(
    model: LoadedModel,
    prompt: int,
    more: int,
    ctx: int | None,
    threads: int | None,
    on_node: NodeCallback | None = None,
) -> Context:
    """A context that holds `prompt` + `more` tokens, or the `ctx` positions asked for.

    `UsageError` when those, or those that the model was trained for, do not hold them.
    """
    size = ctx or min(-(-(prompt + more) // 256) * 256, model.n_ctx_train)
    if prompt + more > size:
        raise UsageError(f"{prompt} tokens of prompt and {more} more do not fit into {size} positions")
    return model.context(size, threads=threads, on_node=on_node)


def _samples(context: Context, tokens: Sequence[int], settings: BenchSettings, tick: Tick | None) -> list[Sample]:
    slots, request = Slots(context), Request(tokens, max_tokens=settings.max_tokens, endless=True)
    total = settings.warmup + settings.iterations
    found = []
    for done in range(total):
        if tick is not None:
            tick(done, total)
        found.append(answer(slots, request))
    return found[settings.warmup :]


def answer(slots: Slots, request: Request) -> Sample:
    """Answer once and time every token."""
    started = time.perf_counter()
    generation = slots.add(request)
    times = [started]
    while generation.finish is None:
        if slots.step():
            times.append(time.perf_counter())
    gaps = [1000 * (b - a) for a, b in pairwise(times)]
    return Sample(gaps[0], gaps[1:], 1000 * (times[-1] - started))


# The fields of a `BenchReport` that `summaries` gives, in its order.
SUMMARIES = (
    "first_token_ms", "token_ms", "total_ms", "prompt_tokens_per_second", "generation_tokens_per_second",
)  # fmt: skip


def summaries(samples: list[Sample], prompt: int) -> tuple[Summary, Summary | None, Summary, Summary, Summary | None]:
    """What follows from `samples` of answers to `prompt` tokens; `ValueError` when there are none."""
    first = [s.first_token_ms for s in samples]
    rates = [rate for s in samples if (rate := s.generation_per_second) is not None]
    columns = (first, [t for s in samples for t in s.token_ms], [s.total_ms for s in samples])
    a, b, c = (Summary.of(column) for column in columns)
    d, e = Summary.of([1000 * prompt / ms for ms in first]), Summary.of(rates)
    if a is None or c is None or d is None:
        raise ValueError("no runs")
    return a, b, c, d, e
