"""Measuring models: speed, what happens inside a pass, and how far models agree.

    with load_any(Wanted(path)) as loaded:
        report = bench(path, loaded, BenchSettings(max_tokens=64))
        print(report.generation_tokens_per_second.p50)

Every report is a dataclass that is printed as one JSON document; its schema lies in `hub_runtime/schemas`.
"""

from hub_runtime.measure._bench import PROMPT, BenchReport, BenchSettings, LoadedFrom, Sample, Tick, bench
from hub_runtime.measure._host import Host, MemoryUse, PeakMemory
from hub_runtime.measure._samples import RULE, Summary, percentile

__all__ = [
    "PROMPT",
    "RULE",
    "BenchReport",
    "BenchSettings",
    "Host",
    "LoadedFrom",
    "MemoryUse",
    "PeakMemory",
    "Sample",
    "Summary",
    "Tick",
    "bench",
    "percentile",
]
