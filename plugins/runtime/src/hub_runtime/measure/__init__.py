"""Measuring models: speed, what happens inside a pass, and how far models agree.

    with load_any(Wanted(path)) as loaded:
        report = bench(path, loaded, BenchSettings(max_tokens=64))
        print(report.generation_tokens_per_second.p50)

Every report is a dataclass that is printed as one JSON document; its schema lies in `hub_runtime/schemas`.
"""

from hub_runtime.measure._bench import (
    PROMPT,
    SUMMARIES,
    BenchReport,
    BenchSettings,
    LoadedFrom,
    Sample,
    Stored,
    Tick,
    bench,
    summaries,
)
from hub_runtime.measure._compare import (
    PROMPTS,
    Along,
    CompareReport,
    ModelComparison,
    PromptComparison,
    Rules,
    compare_models,
)
from hub_runtime.measure._compare import Job as CompareJob
from hub_runtime.measure._departure import Departure, TraceComparison, compare_traces, departure
from hub_runtime.measure._forced import divergence, forced, log_softmax
from hub_runtime.measure._host import Host, MemoryUse, PeakMemory
from hub_runtime.measure._memory import Buffer, MemoryParts
from hub_runtime.measure._nodes import Node, Values, layer_of
from hub_runtime.measure._perplexity import PerplexityReport, perplexity
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
    "PROMPTS",
    "RULE",
    "SUMMARIES",
    "Along",
    "Assertion",
    "BenchReport",
    "BenchSettings",
    "Buffer",
    "Choice",
    "CompareJob",
    "CompareReport",
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
    "ModelComparison",
    "NanPlace",
    "Node",
    "NodeTrace",
    "PeakMemory",
    "PerplexityReport",
    "Phase",
    "ProfileReport",
    "PromptComparison",
    "Rules",
    "Sample",
    "Share",
    "Statistics",
    "Stored",
    "Summary",
    "Tick",
    "TraceComparison",
    "TraceReport",
    "TraceSettings",
    "TracedToken",
    "Tracer",
    "Values",
    "bench",
    "compare_models",
    "compare_traces",
    "comparison_page",
    "departure",
    "divergence",
    "feed",
    "flame_chart",
    "forced",
    "layer_ends",
    "layer_of",
    "log_softmax",
    "node_cells",
    "percentile",
    "perplexity",
    "profile",
    "profile_page",
    "summaries",
    "trace",
    "trace_page",
    "verdict",
]
