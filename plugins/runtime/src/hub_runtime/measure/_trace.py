"""One pass over a prompt, looked at layer by layer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from hub.errors import UnsupportedFile, UsageError
from hub_runtime.engine import Context, Vocab, best, log_probabilities
from hub_runtime.loading import Loaded
from hub_runtime.measure._bench import LoadedFrom, context_for
from hub_runtime.measure._host import Host, PeakMemory
from hub_runtime.measure._memory import MemoryParts, context_buffers, memory_parts
from hub_runtime.measure._nodes import VIEWS, Node, Values, layer_of
from hub_runtime.measure._statistics import Gatherer, Statistics
from hub_runtime.measure._tracer import Tracer, feed
from hub_runtime.prompting import prompt_of

TOP = 10

_LAYER_OUTPUT = re.compile(r"l_out-\d+\Z")
_EMBEDDING, _NORM, _LOGITS = ("inp_embd", "embd"), "result_norm", "result_output"


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """What to trace: one pass over `prompt`, in the model's chat template if it has one and not `raw`.

    `memory` adds where memory goes.
    """

    prompt: str
    threads: int | None = None
    ctx: int | None = None
    memory: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class NodeTrace(Statistics):
    """The values of node `node`, which ends layer `layer` (None outside layers), computed in `ms` since the one before.

    The last layer and what follows it are computed for the last token alone, as in every run.
    """

    layer: int | None
    node: str
    ms: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A token that could come next."""

    token: int
    text: str
    logit: float
    probability: float


@dataclass(frozen=True, slots=True)
class FirstToken:
    """What the model says comes next: the likeliest token, and the likeliest few, best first."""

    argmax: int
    text: str
    logit: float
    probability: float
    top: list[Choice]


@dataclass(frozen=True, slots=True)
class NanPlace:
    """The first node, in order of computation, with a NaN, where in it, and what it was computed from."""

    node: str
    op: str
    layer: int | None
    row: int
    column: int
    sources: list[str]


@dataclass(frozen=True, slots=True)
class TracedToken:
    """A token of the prompt."""

    token: int
    text: str


@dataclass(frozen=True, slots=True)
class TraceReport:
    """What one pass showed. `first_token` is None when the logits are not finite; times in milliseconds.

    `template`: whether `tokens` hold the model's chat template.
    """

    model: LoadedFrom
    prompt: str
    template: bool
    tokens: list[TracedToken]
    threads: int
    ctx: int
    gpu_layers: int
    pass_ms: float
    first_token: FirstToken | None
    first_nan: NanPlace | None
    embedding: NodeTrace | None
    layers: list[NodeTrace]
    norm: NodeTrace | None
    logits: NodeTrace
    memory: MemoryParts | None
    host: Host


Kept = dict[str, list[Values]]  # node name -> its values, a piece for each batch


@dataclass
class _Seen:
    """What a pass gathers of each wanted node, and the names of all nodes in order."""

    keep: Kept | None = None
    gatherers: dict[str, Gatherer] = field(default_factory=dict)
    nanoseconds: dict[str, int] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)

    def wants(self, pattern: Callable[[str], object]) -> Callable[[str], bool]:
        def wanted(name: str) -> bool:
            self.asked[name] = None
            return name in (*_EMBEDDING, _NORM, _LOGITS) or bool(pattern(name))

        return wanted

    def see(self, node: Node, nanoseconds: int) -> None:
        self.nanoseconds[node.name] = self.nanoseconds.get(node.name, 0) + nanoseconds
        values = node.values()
        if values is not None:
            self.gatherers.setdefault(node.name, Gatherer()).add(values)
            if self.keep is not None:
                self.keep.setdefault(node.name, []).append(values)

    def trace(self, name: str) -> NodeTrace:
        found = self.gatherers[name].statistics()
        return NodeTrace(**asdict(found), layer=layer_of(name)[1], node=name, ms=self.nanoseconds[name] / 1e6)

    def optional(self, *names: str) -> NodeTrace | None:
        return next((self.trace(name) for name in names if name in self.gatherers), None)

    def layers(self) -> list[NodeTrace]:
        found = [self.trace(name) for name in self.gatherers if layer_of(name)[1] is not None]
        return sorted(found, key=lambda t: t.layer or 0)


def trace(path: Path, loaded: Loaded, settings: TraceSettings, keep: Kept | None = None) -> TraceReport:
    """Compute the prompt once with the model loaded from `path`; `keep` is given the values of every layer.

    The logits are bit for bit those without tracing. `UnsupportedFile` for a model without layers or without logits.
    """
    peak, model, tracer = PeakMemory(), loaded.model, Tracer()
    if not model.generates:
        raise UnsupportedFile("this model does not generate text from a prompt alone", file=path)
    prompt = prompt_of(model, settings.prompt, raw=settings.raw)
    tokens = prompt.tokens
    if not tokens:
        raise UsageError("the prompt is empty and the model has no token to begin with")
    with context_for(model, len(tokens), 1, settings.ctx, settings.threads, tracer) as context:
        buffers = context_buffers()
        seen, seconds, logits = _watched(context, tracer, tokens, keep)
        place = _first_nan(context, tracer, tokens) if any(g.nan for g in seen.gatherers.values()) else None
        shape = (context.threads, context.ctx, model.gpu_layers, 1000 * seconds)
    return TraceReport(
        LoadedFrom.of(path, loaded),
        settings.prompt,
        prompt.template,
        [TracedToken(t, text_of(model.vocab, t)) for t in tokens],
        *shape,
        first_token(model.vocab, logits),
        place,
        seen.optional(*_EMBEDDING),
        seen.layers(),
        seen.optional(_NORM),
        seen.trace(_LOGITS),
        memory_parts(model, buffers, peak.use()) if settings.memory else None,
        Host.here(model),
    )


def _watched(context: Context, tracer: Tracer, tokens: list[int], keep: Kept | None) -> tuple[_Seen, float, Values]:
    """A pass whose layers were seen, the seconds it took, and its logits."""
    seen = _Seen(keep)
    seconds, logits = _pass(context, tracer, tokens, seen, _LAYER_OUTPUT.match)
    if not seen.layers():
        ends = layer_ends(seen.asked)
        seen = _Seen(keep)
        if keep is not None:
            keep.clear()
        context.clear()
        seconds, logits = _pass(context, tracer, tokens, seen, ends.__contains__)
    if not seen.layers() or _LOGITS not in seen.gatherers:
        raise UnsupportedFile("llama.cpp names no layers or logits in this model's graph", file=context.model.path)
    return seen, seconds, logits


def _pass(
    context: Context, tracer: Tracer, tokens: list[int], seen: _Seen, pattern: Callable[[str], object]
) -> tuple[float, Values]:
    started = time.perf_counter()
    with tracer.watching(seen.wants(pattern), seen.see):
        index = feed(context, tokens)
    return time.perf_counter() - started, context.logits(index).copy()


def layer_ends(names: dict[str, None]) -> set[str]:
    """The last node of each layer, for architectures that do not call it l_out; views have a blank in their names."""
    ends = {layer: name for name in names if " " not in name and (layer := layer_of(name)[1]) is not None}
    return set(ends.values())


def first_token(vocab: Vocab, logits: Values) -> FirstToken | None:
    """What the last logits, shape (vocabulary,), say; None when they are not finite."""
    if not np.isfinite(logits).all():
        return None
    probabilities = np.exp(log_probabilities(logits))
    top = [Choice(i, text_of(vocab, i), float(logits[i]), float(probabilities[i])) for i in best(logits, TOP)]
    return FirstToken(top[0].token, top[0].text, top[0].logit, top[0].probability, top)


def text_of(vocab: Vocab, token: int) -> str:
    """The text of one token; bytes that are no text of their own become U+FFFD."""
    return vocab.piece(token, special=True).decode("utf-8", "replace")


def _first_nan(context: Context, tracer: Tracer, tokens: list[int]) -> NanPlace | None:
    """Where the first NaN comes up: the pass again, every node looked at until one holds a NaN."""
    found: list[NanPlace] = []

    def wants(_: str) -> bool:
        return not found

    def see(node: Node, _: int) -> None:
        values = node.values() if node.op not in VIEWS and not found else None
        if values is not None and np.isnan(values).any():
            row, column = (int(i) for i in np.argwhere(np.isnan(values))[0])
            found.append(NanPlace(node.name, node.op, layer_of(node.name)[1], row, column, node.sources))

    context.clear()
    with tracer.watching(wants, see):
        feed(context, tokens)
    return found[0] if found else None
