import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_runtime.engine import Request, Slots, devices, generate, load
from hub_runtime.loading import Wanted, load_any
from hub_runtime.measure import PeakMemory


def test_every_summary_follows_from_the_samples(document: Any, tiny: Path) -> None:
    found = document("bench", "bench", tiny, "-p", "ab", "-n", 9, "--iterations", 4, "--warmup", 2, "--threads", 1)
    assert (found["iterations"], found["warmup"], found["max_tokens"], found["prompt_tokens"]) == (4, 2, 9, 2)
    samples = found["samples"]
    assert [len(s["token_ms"]) for s in samples] == [8] * 4
    columns = {
        "first_token_ms": [s["first_token_ms"] for s in samples],
        "token_ms": [t for s in samples for t in s["token_ms"]],
        "total_ms": [s["total_ms"] for s in samples],
        "prompt_tokens_per_second": [2000 / s["first_token_ms"] for s in samples],
        "generation_tokens_per_second": [8000 / sum(s["token_ms"]) for s in samples],
    }
    for name, values in columns.items():
        expected = [*np.percentile(values, [50, 95, 99]), np.mean(values), len(values)]
        seen = [found[name][key] for key in ("p50", "p95", "p99", "mean", "n")]
        assert seen == pytest.approx(expected), name
    for s in samples:
        assert s["first_token_ms"] + sum(s["token_ms"]) == pytest.approx(s["total_ms"])


def test_showcase_writes_the_same_document(
    hub: Any, read_document: Callable[[str, str], Any], tiny: Path, tmp_path: Path
) -> None:
    target = tmp_path / "gguf-benchmark.json"
    ran = hub("showcase", tiny, "--iterations", 2, "--warmup", 1, "--output", target)
    assert ran.code == 0, ran.err
    assert "P99" in ran.out
    found = read_document(target.read_text(encoding="utf-8"), "bench")
    assert len(found["samples"]) == 2
    again = hub("bench", tiny, "-n", 2, "--iterations", 1, "--output", target, "--json")
    assert json.loads(again.out) == json.loads(target.read_text(encoding="utf-8"))
    assert not list(tmp_path.glob(".*"))


def test_one_token_has_no_gaps(document: Any, tiny: Path) -> None:
    found = document("bench", "bench", tiny, "-n", 1, "--iterations", 1, "--warmup", 0)
    assert found["token_ms"] is None
    assert found["generation_tokens_per_second"] is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--iterations", 0], "iterations"),
        (["--ctx", 16, "-n", 20], "do not fit"),
        (["--output", "/nowhere/at/all.json"], "folder does not exist"),
        (["--output", "."], "is a folder"),
        (["--gpu", "--gpu-layers", 0], "contradicts"),
        (["--bridge", "memory"], "no effect"),
    ],
)
def test_what_cannot_be_is_refused(hub: Any, tiny: Path, args: list[object], said: str) -> None:
    ran = hub("bench", tiny, *args)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_gpu_that_is_not_there_is_an_error(hub: Any, tiny: Path) -> None:
    if any(d.kind == "gpu" for d in devices()):
        pytest.skip("there is a GPU")
    assert "no GPU" in hub("bench", tiny, "--gpu").err
    assert hub("bench", tiny, "--gpu-layers", 1).code == 2


def test_peak_memory_sees_what_was_freed_since_and_nothing_earlier() -> None:
    def peak(before: int, since: int) -> int:
        del (held := [np.ones(before << 20, np.uint8)])[:]
        memory = PeakMemory()
        held.append(np.ones(since << 20, np.uint8))
        del held[:]
        use = memory.use()
        if use.scope == "process" or use.before is None or use.peak is None:
            pytest.skip("this system does not forget earlier peaks")
        return use.peak - use.before

    assert peak(64, 1) < 32 << 20
    assert peak(1, 64) > 60 << 20


def test_a_token_that_would_end_an_answer_does_not_end_it(document: Any, edited: Any) -> None:
    with load(edited("plain", {}), gpu_layers=0) as model:
        eos = model.vocab.eos
    ending = edited(
        "ending",
        {
            "token_embd.weight": lambda w: np.full_like(w, 1000),
            "output.weight": lambda w: np.where(np.arange(len(w)) == eos, 1, 0)[:, None],
        },
    )
    with load(ending, gpu_layers=0) as model, model.context(256) as context:
        request = Request(model.vocab.tokenize("ab"), max_tokens=6)
        assert [t.id for t in generate(Slots(context), request)] == [eos]
    found = document("bench", "bench", ending, "-n", 6, "--iterations", 2)
    assert [len(s["token_ms"]) for s in found["samples"]] == [5, 5]


def test_devices_are_those_of_the_model(document: Any, tiny: Path) -> None:
    found = document("bench", "bench", tiny, "-n", 1, "--iterations", 1, "--no-gpu")
    assert found["host"]["devices"] == ["CPU"]
    with load_any(Wanted(tiny, gpu_layers=0)) as loaded:
        assert found["model"]["parameters"] == loaded.model.n_params


def test_every_format_is_measured(document: Any, tiny: Path, tiny_apr: Path) -> None:
    formats = [document("bench", "bench", p, "-n", 2, "--iterations", 1)["model"]["format"] for p in (tiny, tiny_apr)]
    assert formats == ["gguf", "apr"]
