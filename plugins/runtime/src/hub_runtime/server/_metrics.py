"""What the server counts and measures, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds. A first token takes from milliseconds to minutes, the next ones 0.1 ms to seconds.
_FIRST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BETWEEN = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class _Series(NamedTuple):
    """What is counted for each model; looking a model up takes longer than counting, so each engine does it once."""

    refused: Counter
    cancelled: Counter
    queued: Histogram
    first: Histogram
    between: Histogram
    prompt_tokens: Counter
    cached_tokens: Counter
    generated_tokens: Counter
    steps: Counter
    busy: Counter
    decoding: Counter


class Metrics:
    """All metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, histogram = partial(Counter, registry=self.registry), partial(Histogram, registry=self.registry)
        model = ["model"]
        self.requests = counter("hub_requests", "HTTP requests", ["endpoint", "status"])
        self.seconds = histogram("hub_request_seconds", "From request to end of response", ["endpoint"])
        self._series = _Series(
            refused=counter("hub_requests_refused", "Requests refused: the queue was full", model),
            cancelled=counter("hub_generations_cancelled", "Generations whose client left", model),
            queued=histogram("hub_queue_seconds", "Time in the queue", model, buckets=_FIRST),
            first=histogram("hub_time_to_first_token_seconds", "From request to first token", model, buckets=_FIRST),
            between=histogram("hub_inter_token_seconds", "Between two tokens of one answer", model, buckets=_BETWEEN),
            prompt_tokens=counter("hub_prompt_tokens", "Tokens of prompts", model),
            cached_tokens=counter("hub_prompt_tokens_cached", "Prompt tokens computed before", model),
            generated_tokens=counter("hub_generated_tokens", "Tokens generated", model),
            steps=counter("hub_engine_steps", "Batches computed", model),
            busy=counter("hub_engine_busy_seconds", "Time the engine had work", model),
            decoding=counter("hub_engine_decode_seconds", "Time of that spent in llama.cpp", model),
        )
        self._gauges = {
            name: Gauge(f"hub_{name}", text, model, registry=self.registry)
            for name, text in (
                ("queue_depth", "Generations waiting for a slot"),
                ("slots_active", "Generations under way"),
                ("slots", "Generations that can be under way at once"),
                ("kv_tokens", "Positions of the context that hold keys and values"),
                ("kv_capacity_tokens", "Positions of the context"),
                ("model_bytes", "Bytes of the model's tensors"),
                ("load_seconds", "Time to load the model"),
            )
        }

    def of(self, model: str) -> _Series:
        """The counters and histograms of one model."""
        return _Series._make(metric.labels(model) for metric in self._series)

    def watch(self, name: str, model: str, read: Callable[[], float]) -> None:
        """Ask `read` for the gauge `name` of `model` whenever somebody looks."""
        self._gauges[name].labels(model).set_function(read)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def merged(texts: Mapping[str, str]) -> str:
    """Several metrics texts as one, each sample with the label `replica` that says whose it is."""
    families: dict[str, list[str]] = {}
    for replica, text in texts.items():
        head: list[str] = []
        for line in text.splitlines():
            if line.startswith("# HELP"):
                head = families.setdefault(line, [])
            elif line.startswith("# TYPE"):
                if line not in head:
                    head.append(line)
            elif line:
                name, brace, rest = line.partition("{")
                name, space, value = (name, brace, rest) if brace else line.partition(" ")
                head.append(f'{name}{{replica="{replica}"{"," + value if brace else "}" + space + value}')
    return "".join(f"{help_}\n" + "".join(f"{line}\n" for line in lines) for help_, lines in families.items())
