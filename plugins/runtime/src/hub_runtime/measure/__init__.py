"""Measuring models: speed, what happens inside a pass, and how far models agree.

    with load_any(Wanted(path)) as loaded:
        report = bench(path, loaded, BenchSettings(max_tokens=64))
        print(report.generation_tokens_per_second.p50)

Every report is a dataclass that is printed as one JSON document; its schema lies in `hub_runtime/schemas`.
"""

from hub_runtime.measure._bench import PROMPT, BenchReport, BenchSettings, LoadedFrom, Sample, Tick, bench
from hub_runtime.measure._departure import Departure, TraceComparison, compare_traces, departure
from hub_runtime.measure._host import Host, MemoryUse, PeakMemory
from hub_runtime.measure._memory import Buffer, MemoryParts
from hub_runtime.measure._nodes import Node, Values, layer_of
from hub_runtime.measure._profile import LIMITS, Assertion, LayerShare, Limit, Phase, ProfileReport, Share, profile
from hub_runtime.measure._profile_page import flame_chart, profile_page
from hub_runtime.measure._samples import RULE, Summary, percentile
from hub_runtime.measure._statistics import Gatherer, Statistics
from hub_runtime.measure._trace import (
    Choice,
    FirstToken,
    Kept,
    NanPlace,
    NodeTrace,
    TracedToken,
    TraceReport,
    TraceSettings,
    layer_ends,
    trace,
)
from hub_runtime.measure._trace_page import NODE_HEAD, comparison_page, node_cells, trace_page, verdict
from hub_runtime.measure._tracer import Tracer, feed

__all__ = [
    "LIMITS",
    "NODE_HEAD",
    "PROMPT",
    "RULE",
    "Assertion",
    "BenchReport",
    "BenchSettings",
    "Buffer",
    "Choice",
    "Departure",
    "FirstToken",
    "Gatherer",
    "Host",
    "Kept",
    "LayerShare",
    "Limit",
    "LoadedFrom",
    "MemoryParts",
    "MemoryUse",
    "NanPlace",
    "Node",
    "NodeTrace",
    "PeakMemory",
    "Phase",
    "ProfileReport",
    "Sample",
    "Share",
    "Statistics",
    "Summary",
    "Tick",
    "TraceComparison",
    "TraceReport",
    "TraceSettings",
    "TracedToken",
    "Tracer",
    "Values",
    "bench",
    "compare_traces",
    "comparison_page",
    "departure",
    "feed",
    "flame_chart",
    "layer_ends",
    "layer_of",
    "node_cells",
    "percentile",
    "profile",
    "profile_page",
    "trace",
    "trace_page",
    "verdict",
]
