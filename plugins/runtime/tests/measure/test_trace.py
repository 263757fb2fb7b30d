import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub_runtime.engine import load, log_probabilities
from hub_runtime.loading import Wanted, load_any
from hub_runtime.measure import Node, Tracer, TraceSettings, departure, feed, layer_ends, layer_of, trace
from hub_runtime.measure._trace import first_token
from hub_runtime.prompting import prompt_of

TEXT = "what a model reads"
KEYS = ("min", "max", "mean", "std", "l2")


def statistics(values: Any) -> list[float]:
    return [float(values.min()), float(values.max()), float(values.mean()), float(values.std()),
            float(np.linalg.norm(values))]  # fmt: skip


def test_layers_are_those_of_a_forward_pass_in_numpy(document: Any, numpy_llama: Any, varied: Path) -> None:
    found = document("trace", "trace", varied, "-p", TEXT)
    tokens = [t["token"] for t in found["tokens"]]
    assert len(tokens) > 10
    expected = numpy_llama(varied)(tokens)
    layers = [*expected.layers[:-1], expected.layers[-1][-1:]]
    assert [t["layer"] for t in found["layers"]] == [0, 1]
    for seen, values in zip([found["embedding"], *found["layers"]], [expected.embedding, *layers], strict=True):
        scale = float(np.abs(values).max())
        assert [seen[k] for k in KEYS] == pytest.approx(statistics(values), rel=2e-3, abs=2e-3 * scale), seen["node"]
        assert (seen["rows"], seen["width"], seen["count"]) == (*values.shape, values.size)
        assert seen["row_rms"] == pytest.approx(np.sqrt((values**2).mean(1)).tolist(), rel=2e-3)
        assert (seen["nan"], seen["inf"], seen["zeros"]) == (0, 0, (values == 0).sum())


def test_what_comes_next_is_what_numpy_says(document: Any, numpy_llama: Any, varied: Path) -> None:
    found = document("trace", "trace", varied, "-p", TEXT)
    logits = numpy_llama(varied)([t["token"] for t in found["tokens"]]).logits[-1]
    top = found["first_token"]["top"]
    assert [c["token"] for c in top] == np.argsort(-logits)[:10].tolist()
    assert [c["logit"] for c in top] == pytest.approx(np.sort(logits)[::-1][:10].tolist(), abs=5e-3)
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [c["probability"] for c in top] == pytest.approx(np.sort(probabilities)[::-1][:10].tolist(), rel=1e-2)
    best = {k: v for k, v in found["first_token"].items() if k != "top"}
    assert best == {"argmax": top[0].pop("token"), **top[0]}


def plain_logits(path: Path, text: str) -> Any:
    with load(path, gpu_layers=0) as model, model.context(512, threads=1) as context:
        return context.logits(feed(context, model.vocab.tokenize(text))).copy()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_comes_next_where_logits_are_not_finite(tiny: Path, value: float) -> None:
    with load(tiny, gpu_layers=0) as model:
        logits = np.zeros(model.vocab.size, np.float32)
        assert first_token(model.vocab, logits) is not None
        logits[5] = value
        assert first_token(model.vocab, logits) is None


@pytest.mark.parametrize("wanted", [r"l_out-\d+", r".*"])
def test_watching_changes_no_bit_of_the_logits(tiny: Path, wanted: str) -> None:
    tracer, seen = Tracer(), list[str]()
    with load(tiny, gpu_layers=0) as model, model.context(512, threads=1, on_node=tracer) as context:
        with tracer.watching(re.compile(wanted).match, lambda node, _: seen.append(node.name)):  # type: ignore[arg-type]
            index = feed(context, model.vocab.tokenize(TEXT))
        logits = context.logits(index).copy()
    assert "l_out-1" in seen
    assert logits.tobytes() == plain_logits(tiny, TEXT).tobytes()


def test_watching_changes_no_bit_of_a_quantized_model(smollm2: Path) -> None:
    tracer, count = Tracer(), list[int]()
    with load(smollm2, gpu_layers=0) as model, model.context(512, threads=1, on_node=tracer) as context:
        with tracer.watching(bool, lambda node, _: count.append(len(node.shape))):
            index = feed(context, model.vocab.tokenize(TEXT))
        logits = context.logits(index).copy()
    assert len(count) > 30 * 20
    assert logits.tobytes() == plain_logits(smollm2, TEXT).tobytes()


def test_a_trace_has_the_logits_of_an_untraced_pass(tiny: Path) -> None:
    logits = plain_logits(tiny, TEXT)
    with load_any(Wanted(tiny, gpu_layers=0)) as loaded:
        found = trace(tiny, loaded, TraceSettings(TEXT, threads=1, raw=True)).first_token
    assert found is not None
    assert [c.logit for c in found.top] == sorted(logits.tolist(), reverse=True)[:10]
    assert found.probability == np.exp(log_probabilities(logits))[found.argmax]


def test_an_error_while_watching_is_raised(tiny: Path) -> None:
    tracer = Tracer()

    def see(node: Node, _: int) -> None:
        raise KeyError(node.name)

    with (
        load(tiny, gpu_layers=0) as model,
        model.context(512, threads=1, on_node=tracer) as context,
        pytest.raises(KeyError, match="l_out-0"),
        tracer.watching("l_out-0".__eq__, see),
    ):
        feed(context, [1, 2])


def test_a_prompt_of_several_batches_is_counted_whole(document: Any, varied: Path, monkeypatch: Any) -> None:
    from hub_runtime.engine import LoadedModel

    whole = document("trace", "trace", varied, "-p", TEXT * 3)
    made = LoadedModel.context
    monkeypatch.setattr(LoadedModel, "context", lambda self, *a, **k: made(self, *a, **{**k, "batch": 32}))
    pieces = document("trace", "trace", varied, "-p", TEXT * 3)
    for a, b in zip(whole["layers"], pieces["layers"], strict=True):
        assert a["rows"] == b["rows"]
        assert [a[k] for k in KEYS] == pytest.approx([b[k] for k in KEYS], rel=1e-3, abs=1e-3)


def test_the_model_reads_what_run_gives_it(document: Any, hub: Any, tiny: Path, make_tiny: Any, tmp_path: Path) -> None:
    with load(tiny, gpu_layers=0) as model:
        expected = {raw: prompt_of(model, TEXT, raw=raw).tokens for raw in (False, True)}
    for raw in (False, True):
        found = document("trace", "trace", tiny, "-p", TEXT, *(["--raw"] if raw else []))
        assert [t["token"] for t in found["tokens"]] == expected[raw]
        assert found["template"] is not raw
    bare = make_tiny(tmp_path / "bare.gguf", template=None)
    assert document("trace", "trace", bare, "-p", TEXT)["template"] is False
    assert "--raw has no effect" in hub("trace", bare, "-p", TEXT, "--raw").err
    assert "--raw has no effect" in hub("trace", bare, "-p", TEXT, "--raw", "--compare", bare).err
    assert "different tokens" in hub("trace", tiny, "-p", TEXT, "--compare", bare).err
    assert hub("trace", tiny, "-p", TEXT, "--raw", "--compare", bare).code == 0


def test_the_first_nan_is_found_where_it_arises(judged: Any, edited: Any) -> None:
    path = edited("overflowing", {"blk.1.attn_output.weight": lambda w: np.sign(w) * 3e38})
    code, found = judged("trace", "trace", path, "-p", TEXT)
    assert code == 1
    assert found["first_token"] is None
    assert [bool(t["nan"]) for t in (found["embedding"], *found["layers"])] == [False, False, True]
    place = found["first_nan"]
    assert place["layer"] in (1, None)  # inf - inf in the layer, or inf * 0 in the norm behind it
    assert place["row"] == 0
    assert place["sources"]


def test_memory_by_part(document: Any, tiny: Path) -> None:
    assert document("trace", "trace", tiny, "-p", TEXT)["memory"] is None
    found = document("trace", "trace", tiny, "-p", TEXT, "--memory-profile", "--ctx", 512, "--no-gpu")
    with load_any(Wanted(tiny, gpu_layers=0)) as loaded:
        assert found["memory"]["weights"] == loaded.model.nbytes
    values = 2 * 2 * 16 * 512  # keys and values of 2 layers, 2 heads of 8, 512 positions, in half precision
    assert found["memory"]["kv_cache"] == pytest.approx(2 * values, abs=0.005 * 2**20)
    assert found["memory"]["compute"] > 0
    assert {b["device"] for b in found["memory"]["buffers"]} == {"CPU"}


def test_formats_of_one_model_do_not_part(judged: Any, tiny: Path, tiny_apr: Path) -> None:
    code, found = judged("trace-comparison", "trace", tiny, "-p", TEXT, "--compare", tiny_apr)
    assert code == 0
    assert all(n["equal"] for n in found["nodes"])
    assert len(found["nodes"]) == 5
    assert (found["first_departure"], found["same_argmax"]) == (None, True)


def test_the_first_layer_that_departs_is_named(judged: Any, tiny: Path, edited: Any) -> None:
    other = edited("departing", {"blk.1.ffn_up.weight": lambda w: w * 1.01})
    arguments = ("trace", tiny, "-p", TEXT, "--compare", other)
    code, found = judged("trace-comparison", *arguments)
    assert code == 1
    first = found["first_departure"]
    assert first["node"] == "l_out-1"
    assert 0.9 < first["cosine"] < 1
    assert [n["equal"] for n in found["nodes"]] == [True, True, False, False, False]
    assert judged("trace-comparison", *arguments, "--tolerance", 0.5)[0] == 0


def test_departures_are_measured_as_numpy_does() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 7, 9)).astype(np.float32)
    found = departure("n", 3, a, b)
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    assert found.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert found.relative == pytest.approx(np.linalg.norm(x - y) / np.linalg.norm(x))
    assert found.max_abs == pytest.approx(np.abs(x - y).max())
    lengths = np.linalg.norm(a.astype(np.float64) - b, axis=1) / np.linalg.norm(a.astype(np.float64), axis=1)
    assert found.row_relative == pytest.approx(list(lengths))
    b[0, 0] = np.nan
    a[1] = b[1] = 0
    a[2] = 0
    found = departure("n", 3, a, b)
    assert (found.cosine, found.relative, found.row_relative[:3]) == (None, None, [None, 0.0, None])


def test_models_that_read_other_tokens_are_not_compared(hub: Any, tiny: Path, smollm2: Path) -> None:
    ran = hub("trace", tiny, "-p", "abc", "--compare", smollm2)
    assert ran.code == 2
    assert "different tokens" in ran.err


class Page(HTMLParser):
    """Counts what a page holds and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]


def test_the_page_shows_every_layer_and_token_and_fetches_nothing(
    hub: Any, read_document: Callable[[str, str], Any], tiny: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("trace.html", "trace.json", "again.html")]
    assert hub("trace", tiny, "-p", "<b>&", "--trace-output", files[0]).code == 0
    assert hub("trace", tiny, "-p", "<b>&", "--output", files[1], "--html", files[2]).code == 0
    found = read_document(files[1].read_text(encoding="utf-8"), "trace")
    nodes = [t for t in (found["embedding"], *found["layers"], found["norm"], found["logits"]) if t]
    for file in (files[0], files[2]):
        page = Page(file.read_text(encoding="utf-8"))
        assert page.tags.count("rect") == sum(t["rows"] for t in nodes) + len(nodes)
        assert "logarithmic" in file.read_text(encoding="utf-8")
        assert not page.links
        assert not {"script", "link", "img", "b"} & set(page.tags)


def test_the_page_of_a_comparison(hub: Any, tiny: Path, tiny_apr: Path, tmp_path: Path) -> None:
    target = tmp_path / "both.html"
    assert hub("trace", tiny, "-p", "ab", "--compare", tiny_apr, "--html", target).code == 0
    text = target.read_text(encoding="utf-8")
    assert "no node departs" in text
    assert Page(text).tags.count("svg") == 5


def test_the_page_of_models_that_part_shows_where(hub: Any, tiny: Path, edited: Any, tmp_path: Path) -> None:
    target = tmp_path / "both.html"
    other = edited("departing", {"blk.1.ffn_up.weight": lambda w: w * 1.01})
    assert hub("trace", tiny, "-p", "ab", "--raw", "--compare", other, "--html", target).code == 1
    text = target.read_text(encoding="utf-8")
    assert "How far apart by layer and token" in text
    assert Page(text).tags.count("svg") == 6
    assert "<title>l_out-0, token 1 &#x27;b&#x27;: 0</title>" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "a", "--tolerance", 0.1], "no effect without --compare"),
        (["-p", "a", "--html", "/nowhere/at/all.html"], "folder does not exist"),
        (["-p", "a" * 600], "do not fit"),
        (["-p", "", "--raw"], "empty"),
        ([], "prompt"),
    ],
)
def test_what_cannot_be_is_refused(hub: Any, tiny: Path, arguments: list[object], said: str) -> None:
    ran = hub("trace", tiny, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_layers_of_architectures_that_name_no_outputs() -> None:
    assert layer_of("ffn_out-12") == ("ffn_out", 12)
    assert layer_of("cache_k_l0 (view)") == ("cache_k_l0 (view)", None)
    assert layer_of("Qcur-3 (view)") == ("Qcur", 3)
    names = dict.fromkeys(["embd", "norm-0", "ffn_out-0", "k-0 (view)", "norm-1", "ffn_out-1", "result_output"])
    assert layer_ends(names) == {"ffn_out-0", "ffn_out-1"}


def test_a_real_model_says_the_same_in_every_format(
    hub: Any, document: Any, judged: Any, smollm2: Path, tmp_path: Path
) -> None:
    apr = tmp_path / "smollm2.apr"
    assert hub("convert", smollm2, apr).code == 0
    found = [document("trace", "trace", path, "-p", "The answer is") for path in (smollm2, apr)]
    assert found[0]["first_token"] == found[1]["first_token"]
    assert len(found[0]["layers"]) == 30
    assert judged("trace-comparison", "trace", smollm2, "-p", "The answer is", "--compare", apr)[0] == 0
