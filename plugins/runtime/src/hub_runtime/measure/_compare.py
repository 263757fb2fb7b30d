"""How far models agree: what they say, and what they expect along the same text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hub.errors import UsageError
from hub_runtime.engine import Context, LoadedModel, Request, Slots, generate
from hub_runtime.loading import Loaded
from hub_runtime.measure._bench import LoadedFrom, Tick, context_for
from hub_runtime.measure._forced import divergence, forced
from hub_runtime.measure._host import Host
from hub_runtime.measure._perplexity import WINDOW
from hub_runtime.measure._profile import Assertion
from hub_runtime.prompting import prompt_of

PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n",
    "Water boils at a temperature of",
    "Once upon a time, in a village by the sea,",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """When models count as agreeing; what is None or False is not asked.

    `tokens`: the same greedy tokens for every prompt. `first_token`: the same likeliest first token. `agreement`: at
    least this share of positions with the same likeliest token. `mean_kl`: at most this mean divergence in nats.
    """

    tokens: bool = True
    first_token: bool = False
    agreement: float | None = None
    mean_kl: float | None = None

    def said(self) -> str:
        """The rules in words."""
        parts = ["the same greedy tokens for every prompt"] if self.tokens else []
        parts += ["the same likeliest first token for every prompt"] if self.first_token else []
        if self.agreement is not None:
            parts.append(f"the same likeliest token at {self.agreement:.4g} of all positions or more")
        parts += [f"a mean divergence of at most {self.mean_kl:g} nats"] if self.mean_kl is not None else []
        return ", and ".join(parts)


@dataclass(frozen=True, slots=True)
class Job:
    """What to compare on: greedy answers of at most `max_tokens` tokens to `prompts`, and `text` in windows.

    Prompts are given in the models' chat template, if they have one and not `raw`; the text as it stands.
    A window has `ctx` tokens, `WINDOW` by default; the last one may be shorter.
    """

    prompts: Sequence[str]
    max_tokens: int = 32
    threads: int | None = None
    ctx: int | None = None
    text: str | None = None
    raw: bool = False

    def tokens(self, model: LoadedModel, prompt: str) -> list[int]:
        """What `model` reads for `prompt`."""
        return prompt_of(model, prompt, raw=self.raw and model.template is not None).tokens


@dataclass(frozen=True, slots=True)
class Along:
    """What two models expect at each position of a text: divergence in nats, and whether the likeliest is the same."""

    positions: int
    agreement: float
    mean_kl: float
    max_kl: float
    kl: list[float]


@dataclass(frozen=True, slots=True)
class PromptComparison:
    """One prompt. `first_difference` is the place of the first token that differs; `forced` goes along our answer."""

    prompt: str
    prompt_tokens: int
    ours: list[int]
    other: list[int]
    our_text: str
    other_text: str
    same_first_token: bool
    same_tokens: bool
    first_difference: int | None
    forced: Along


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """One model against the reference: shares over all prompts, and over all positions of answers and text.

    `text` is what they expect along the given text, None without one; `assertions` are the rules' outcomes.
    """

    model: LoadedFrom
    prompts: list[PromptComparison]
    text: Along | None
    same_tokens: float
    same_first_token: float
    positions: int
    agreement: float
    mean_kl: float
    max_kl: float
    assertions: list[Assertion]
    passed: bool


@dataclass(frozen=True, slots=True)
class CompareReport:
    """All models against the first, `reference`; `rule` is what was asked of them.

    `template`: whether the prompts were given in the chat template.
    """

    reference: LoadedFrom
    rule: str
    template: bool
    max_tokens: int
    comparisons: list[ModelComparison]
    passed: bool
    host: Host


Load = Callable[[Path], AbstractContextManager[Loaded]]


def compare_models(
    load: Load, paths: Sequence[Path], job: Job, rules: Rules, tick: Tick | None = None
) -> CompareReport:
    """Compare the first of `paths` with each other one; two models are in memory at a time.

    `UsageError` when a model reads other tokens, or has another vocabulary, than the first.
    """
    if len(paths) < 2 or not job.prompts:
        raise UsageError("nothing to compare: at least two models and one prompt are needed")
    done, total = 0, (len(paths) - 1) * len(job.prompts)
    found = []
    with load(paths[0]) as reference:
        for path in paths[1:]:
            with load(path) as other:
                _refuse_unlike(reference.model, other.model, job, path)
                prompts = []
                for prompt in job.prompts:
                    if tick is not None:
                        tick(done, total)
                    prompts.append(_prompt(reference.model, other.model, prompt, job))
                    done += 1
                along = _along_text(reference.model, other.model, job)
                found.append(_judged(LoadedFrom.of(path, other), prompts, along, rules))
        about, host = LoadedFrom.of(paths[0], reference), Host.here(reference.model)
        template = reference.model.template is not None and not job.raw
    return CompareReport(about, rules.said(), template, job.max_tokens, found, all(c.passed for c in found), host)


def _refuse_unlike(ours: LoadedModel, other: LoadedModel, job: Job, path: Path) -> None:
    sizes = ours.vocab.size, other.vocab.size
    if sizes[0] != sizes[1]:
        raise UsageError(f"its vocabulary has {sizes[1]} tokens, the first model's {sizes[0]}", file=path)
    if job.raw and ours.template is None and other.template is None:
        raise UsageError("--raw has no effect: neither model has a chat template", file=path)
    read = [([job.tokens(m, p) for p in job.prompts], m.vocab.tokenize(job.text or "")) for m in (ours, other)]
    if read[0] != read[1]:
        hint = "--raw leaves the chat templates out" if (ours.template and not job.raw) else None
        raise UsageError("it reads other tokens than the first model", file=path, hint=hint)


def _prompt(ours: LoadedModel, other: LoadedModel, prompt: str, job: Job) -> PromptComparison:
    tokens = job.tokens(ours, prompt)
    answers = [_answer(model, tokens, job) for model in (ours, other)]
    a, b = answers
    difference = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if difference is None and len(a) != len(b):
        difference = min(len(a), len(b))
    texts = [_text(ours, answer) for answer in answers]
    with _contexts(ours, other, len(tokens) + len(a), job) as contexts:
        along = _along(*contexts, [[*tokens, *a]])
    same_first, same = a[:1] == b[:1], a == b
    return PromptComparison(prompt, len(tokens), a, b, texts[0], texts[1], same_first, same, difference, along)


def _text(model: LoadedModel, tokens: list[int]) -> str:
    return b"".join(model.vocab.piece(t, special=True) for t in tokens).decode("utf-8", "replace")


def _answer(model: LoadedModel, tokens: list[int], job: Job) -> list[int]:
    """The greedy answer, with the token that ends it."""
    with context_for(model, len(tokens), job.max_tokens, job.ctx, job.threads) as context:
        return [token.id for token in generate(Slots(context), Request(tokens, max_tokens=job.max_tokens))]


@contextmanager
def _contexts(ours: LoadedModel, other: LoadedModel, tokens: int, job: Job) -> Iterator[tuple[Context, Context]]:
    with (
        context_for(ours, tokens, 0, job.ctx, job.threads) as a,
        context_for(other, tokens, 0, job.ctx, job.threads) as b,
    ):
        yield a, b


def _along_text(ours: LoadedModel, other: LoadedModel, job: Job) -> Along | None:
    if job.text is None:
        return None
    tokens = ours.vocab.tokenize(job.text, parse_special=False)
    if not tokens:
        raise UsageError("the text holds no tokens to compare along")
    size = job.ctx or min(WINDOW, ours.n_ctx_train, other.n_ctx_train)
    windows = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    with _contexts(ours, other, size, job) as contexts:
        return _along(*contexts, windows)


def _along(a: Context, b: Context, texts: Sequence[list[int]]) -> Along:
    """What both expect at every position of `texts`."""
    kl: list[float] = []
    same = 0
    for tokens in texts:
        for (_, x), (_, y) in zip(forced(a, tokens), forced(b, tokens), strict=True):
            kl += divergence(x, y).tolist()
            same += int((x.argmax(axis=1) == y.argmax(axis=1)).sum())
    return Along(len(kl), same / len(kl), float(np.mean(kl)), max(kl), kl)


def _judged(model: LoadedFrom, prompts: list[PromptComparison], text: Along | None, rules: Rules) -> ModelComparison:
    parts = [p.forced for p in prompts] + ([text] if text else [])
    positions = sum(p.positions for p in parts)
    agreement = sum(p.agreement * p.positions for p in parts) / positions
    mean, worst = sum(p.mean_kl * p.positions for p in parts) / positions, max(p.max_kl for p in parts)
    tokens, first = (sum(p.same_tokens for p in prompts), sum(p.same_first_token for p in prompts))
    shares = (tokens / len(prompts), first / len(prompts))
    asked = _outcomes(rules, shares, agreement, mean)
    passed = bool(asked) and all(a.passed for a in asked)
    return ModelComparison(model, prompts, text, *shares, positions, agreement, mean, worst, asked, passed)


def _outcomes(rules: Rules, shares: tuple[float, float], agreement: float, mean: float) -> list[Assertion]:
    asked = []
    if rules.tokens:
        asked.append(Assertion("same greedy tokens", 1.0, shares[0], shares[0] == 1))
    if rules.first_token:
        asked.append(Assertion("same first token", 1.0, shares[1], shares[1] == 1))
    if rules.agreement is not None:
        asked.append(Assertion("agreement", rules.agreement, agreement, agreement >= rules.agreement))
    if rules.mean_kl is not None:
        asked.append(Assertion("mean divergence", rules.mean_kl, mean, mean <= rules.mean_kl))
    return asked
