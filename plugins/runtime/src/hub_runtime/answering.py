"""Answering prompts, one or many, and the report of it: what `hub run` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hub_runtime.engine import (
    Context,
    Generation,
    LoadedModel,
    PromptTooLong,
    Request,
    Settings,
    Slots,
    generate_all,
)
from hub_runtime.loading import Loaded, Wanted
from hub_runtime.prompting import prompt_of

_ROUND = 256  # llama.cpp rounds contexts up to multiples of this


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and how to answer it."""

    prompt: str
    settings: Settings
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What `hub run` was asked for: the model, what all prompts have in common, and where to compute."""

    want: Wanted
    common: Asked
    threads: int | None = None
    ctx: int | None = None
    raw: bool = False
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and tokens per second; None where nothing was measured."""

    converted: bool
    bridge_seconds: float
    load_seconds: float
    seconds: float
    time_to_first_token: float | None
    prompt_tokens_per_second: float | None
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Setup:
    """Where it was computed.

    `gpu_layers` -1 is all of them; `ctx` positions for each prompt; `mmap` whether the weights stayed in the file.
    """

    llama_cpp_python: str
    threads: int
    ctx: int
    sequences: int
    gpu_layers: int
    mmap: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One prompt and its answer. `finish` is "stop" or "length"; `stopped` the stop string that was met."""

    prompt: str
    text: str
    tokens: tuple[int, ...]
    prompt_tokens: int
    generated_tokens: int
    finish: str
    stopped: str | None
    seed: int
    time_to_first_token: float | None
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """The answer to one prompt (hub.run/1). `template`: the prompt went through the model's chat template."""

    model: Path
    format: str
    prompt: str
    template: bool
    text: str
    tokens: tuple[int, ...]
    prompt_tokens: int
    generated_tokens: int
    finish: str
    stopped: str | None
    seed: int
    max_tokens: int
    settings: Settings
    timing: Timing
    setup: Setup


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The answers to many prompts, in their order (hub.batch/1); `generated_tokens` is the sum."""

    model: Path
    format: str
    template: bool
    answers: tuple[Answer, ...]
    generated_tokens: int
    timing: Timing
    setup: Setup


def answer_one(loaded: Loaded, job: Job, asked: Asked, write: Callable[[str], None] | None = None) -> RunReport:
    """Answer one prompt; `write` is given the text piece by piece."""
    template, requests = _requests(loaded.model, job, [asked])
    with _context(loaded.model, job, requests, 1) as context:
        answers, timing = _answered(loaded, Slots(context), [asked], requests, write)
        setup = _setup(context)
    a = answers[0]
    return RunReport(
        job.want.path, loaded.format, a.prompt, template, a.text, a.tokens, a.prompt_tokens, a.generated_tokens,
        a.finish, a.stopped, a.seed, asked.max_tokens, asked.settings, timing, setup,
    )  # fmt: skip


def answer_all(loaded: Loaded, job: Job, asked: Sequence[Asked], parallel: int) -> BatchReport:
    """Answer all prompts in one continuous batch of at most `parallel`."""
    template, requests = _requests(loaded.model, job, asked)
    with _context(loaded.model, job, requests, min(parallel, len(requests))) as context:
        answers, timing = _answered(loaded, Slots(context), asked, requests, None)
        setup = _setup(context)
    total = sum(a.generated_tokens for a in answers)
    return BatchReport(job.want.path, loaded.format, template, answers, total, timing, setup)


def _requests(model: LoadedModel, job: Job, asked: Sequence[Asked]) -> tuple[bool, list[Request]]:
    """Whether the prompts go through the model's chat template, and the requests."""
    prompts = [prompt_of(model, one.prompt, raw=job.raw, system=job.system) for one in asked]
    requests = [Request(p.tokens, o.settings, o.max_tokens, o.stop) for p, o in zip(prompts, asked, strict=True)]
    return prompts[0].template, requests


def _context(model: LoadedModel, job: Job, requests: Sequence[Request], sequences: int) -> Context:
    """A context that holds the longest request, or `--ctx` positions; never more than the model was trained for."""
    longest = max(len(r.prompt) for r in requests)
    needed = max(len(r.prompt) + (r.max_tokens or 0) for r in requests)
    ctx = job.ctx or min(-(-needed // _ROUND) * _ROUND, model.n_ctx_train)
    if longest >= ctx:
        raise PromptTooLong(longest, ctx)
    return model.context(ctx, sequences=sequences, threads=job.threads)


def _answered(
    loaded: Loaded, slots: Slots, asked: Sequence[Asked], requests: Sequence[Request],
    write: Callable[[str], None] | None,
) -> tuple[tuple[Answer, ...], Timing]:  # fmt: skip
    started = time.perf_counter()
    done: dict[int, Generation] = {}
    for number, generation, token in generate_all(slots, requests):
        done[number] = generation
        if write is not None and token.text:
            write(token.text)
    seconds = time.perf_counter() - started
    generations = [done[n] for n in range(len(requests))]
    answers = tuple(_answer(one, generation) for one, generation in zip(asked, generations, strict=True))
    return answers, _timing(loaded, generations, seconds)


def _answer(asked: Asked, g: Generation) -> Answer:
    counters = g.counters
    return Answer(
        asked.prompt, g.text, tuple(g.tokens), counters.prompt_tokens, counters.generated_tokens, str(g.finish),
        g.stopped, g.seed, counters.time_to_first_token, counters.tokens_per_second,
    )  # fmt: skip


def _timing(loaded: Loaded, generations: Sequence[Generation], seconds: float) -> Timing:
    """Rates of one request are its own; of many, all generated tokens over all seconds."""
    first = generations[0].counters
    rate = first.tokens_per_second
    if len(generations) > 1:
        rate = sum(g.counters.generated_tokens for g in generations) / seconds
    return Timing(
        loaded.converted, loaded.bridge_seconds, loaded.model.load_seconds, seconds, first.time_to_first_token,
        first.prompt_per_second if len(generations) == 1 else None, rate,
    )  # fmt: skip


def _setup(context: Context) -> Setup:
    model = context.model
    shape = (context.threads, context.ctx, context.sequences, model.gpu_layers)
    return Setup(version("llama-cpp-python"), *shape, model.mmap)
