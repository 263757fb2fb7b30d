"""OpenTelemetry traces, when an address for them is configured: a span a request, with its queue, prompt and answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from hub.errors import UsageError
from hub_runtime import __version__
from hub_runtime.server._answer import Answer, Part


class Traces:
    """Sends spans to the OTLP/HTTP endpoint `url` ("http://collector:4318/v1/traces"), from a thread of its own.

    `UsageError` when the packages for it are not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            hint = "pip install 'hub-runtime[traces]'"
            raise UsageError(f"traces need a package that is not there: {error.name}", hint=hint) from error
        resource = Resource.create({"service.name": "hub", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
        self._tracer = self._provider.get_tracer("hub_runtime.server", __version__)

    def record(self, name: str, model: str, answer: Answer, headers: Mapping[str, str], request_id: str) -> None:
        """The spans of an answer that ended, below the caller's span when its `traceparent` header names one."""
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        clock = time.time_ns() - time.perf_counter_ns()
        above = TraceContextTextMapPropagator().extract(dict(headers))
        facts = {"hub.request_id": request_id, "gen_ai.request.model": model}
        root = self._tracer.start_span(name, above, attributes=facts, start_time=_at(answer.arrived, clock))
        below = set_span_in_context(root)
        for part in answer.parts:
            for step, start, end, attributes in _steps(part):
                span = self._tracer.start_span(step, below, attributes=attributes, start_time=_at(start, clock))
                span.end(_at(end, clock))
        root.end(time.time_ns())

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _at(seconds: float, clock: int) -> int:
    """A time of `time.perf_counter` in nanoseconds since 1970."""
    return int(seconds * 1e9) + clock


def _steps(part: Part) -> list[tuple[str, float, float, dict[str, Any]]]:
    """(name, start, end, attributes) of what a part went through; nothing of what it did not come to."""
    generation = part.generation
    if generation is None:
        return []
    counters, number = generation.counters, {"hub.choice": part.number}
    made = [("queue", part.answer.arrived, counters.started, number)]
    if counters.first_token is None or counters.ended is None:
        return made
    read = {**number, "gen_ai.usage.input_tokens": counters.prompt_tokens, "hub.cached_tokens": counters.cached_tokens}
    wrote = {**number, "gen_ai.usage.output_tokens": counters.generated_tokens, "hub.finish": generation.finish or ""}
    return [
        *made,
        ("prompt", counters.started, counters.first_token, read),
        ("generation", counters.first_token, counters.ended, wrote),
    ]
