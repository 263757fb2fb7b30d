from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import DamagedFile
from hub.interface import BaseFormat, Capabilities, Finding, Format, Options, Outcome, Plan, Sink, Stage
from hub.ir import Lazy, Model, Tokenizer
from hub.verdicts._model_stages import architecture_stage, config_stage
from hub.verdicts._stages import SHOWN, STRUCTURE, structure
from hub.verdicts._tokenizer_stage import tokenizer_stage

Make = Callable[..., Model]


class Reporting(BaseFormat):
    """A format that reports what it is told to, and may break off."""

    name = "reporting"
    capabilities = Capabilities(frozenset())

    def __init__(self, *findings: Finding, error: Exception | None = None) -> None:
        self.findings, self.error = findings, error

    def validate(self, path: Path) -> Iterator[Finding]:
        yield from self.findings
        if self.error:
            raise self.error

    def read(self, path: Path) -> Model:
        raise DamagedFile("unreadable", file=path)

    def plan(self, model: Model, options: Options) -> Plan:
        raise NotImplementedError

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        raise NotImplementedError


def outcomes(found: Format) -> list[Outcome]:
    return [r.outcome for r in structure(Path("m"), found)]


def test_stages_come_in_order_and_complete() -> None:
    results = structure(Path("m"), Reporting(Finding(Stage.INDEX, "PASS", "fine")))
    assert tuple(r.stage for r in results) == STRUCTURE
    assert [r.outcome for r in results] == ["SKIP", "SKIP", "SKIP", "PASS", "SKIP", "SKIP"]


def test_one_failure_decides_a_stage_and_later_silence_is_explained() -> None:
    found = Reporting(
        Finding(Stage.MAGIC, "PASS", "fine"),
        Finding(Stage.HEADER, "PASS", "fine"),
        Finding(Stage.HEADER, "FAIL", "too short", offset=8),
    )
    results = structure(Path("m"), found)
    assert [r.outcome for r in results] == ["PASS", "FAIL", "SKIP", "SKIP", "SKIP", "SKIP"]
    assert results[1].detail == "byte 8: too short"
    assert "header failed" in results[2].detail


def test_a_million_findings_are_counted_and_a_few_shown() -> None:
    many = [Finding(Stage.INDEX, "FAIL", f"fault {i}", tensor=f"t{i}") for i in range(1000)]
    index = structure(Path("m"), Reporting(*many))[3]
    assert (index.found, len(index.findings)) == (1000, SHOWN)
    assert index.detail == "tensor 't0': fault 0 (and 999 more)"


def test_a_late_failure_is_kept_among_many_passes() -> None:
    many = [Finding(Stage.INDEX, "PASS", "fine")] * 100
    assert outcomes(Reporting(*many, Finding(Stage.INDEX, "FAIL", "bad")))[3] == "FAIL"


def test_damage_that_is_raised_is_a_failure_of_the_stage_it_came_to() -> None:
    found = Reporting(Finding(Stage.HEADER, "PASS", "fine"), error=DamagedFile("cut off", offset=24))
    assert outcomes(found)[1] == "FAIL"


def test_the_tokenizer_stage_passes_and_says_how_many_rows_are_padding(make: Make) -> None:
    stage = tokenizer_stage(make())
    assert (stage.outcome, stage.detail) == ("PASS", "bpe, 12 tokens")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"merges": None}, "merges"),
        ({"merges": ("a b", "ab z")}, "merges[1]"),
        ({"merges": ("ab",)}, "merges[0]"),
        ({"special": {"eos": 12}}, "eos id is 12"),
        ({"special": {"bos": -1}}, "bos id is -1"),
        ({"scores": (0.0,)}, "1 scores for 12 tokens"),
        ({"kind": "spm", "merges": None}, "needs scores"),
        ({"tokens": ()}, "no tokens"),
        (
            {"tokens": tuple(f"t{i}" for i in range(40)), "merges": ()},
            "40 tokens, but model.embed_tokens.weight has 12",
        ),
    ],
)
def test_a_broken_tokenizer_fails_and_is_told(make: Make, tokenizer: Tokenizer, change: Any, said: str) -> None:
    stage = tokenizer_stage(make(tokens=replace(tokenizer, **change)))
    assert stage.outcome == "FAIL"
    assert said in stage.detail


def test_a_tokenizer_that_cannot_be_read_fails(make: Make) -> None:
    def broken() -> Tokenizer:
        raise DamagedFile("no JSON")

    assert tokenizer_stage(make(tokenizer=Lazy(broken))).outcome == "FAIL"


def test_a_tokenizer_that_cannot_be_read_is_no_fault_of_the_configuration(make: Make) -> None:
    def broken() -> Tokenizer:
        raise DamagedFile("no JSON")

    model = make(tokenizer=Lazy(broken))
    assert config_stage(model).outcome == architecture_stage(model).outcome == "PASS"


def test_unused_tokens_at_the_end_need_no_rows(make: Make, tokenizer: Tokenizer) -> None:
    padded = replace(tokenizer, tokens=(*tokenizer.tokens, "[PAD]"), types=(*[1] * len(tokenizer), 5), scores=None)
    assert tokenizer_stage(make(tokens=padded)).outcome == "PASS"


def test_no_tokenizer_is_skipped(make: Make) -> None:
    assert tokenizer_stage(make(tokens=None)).outcome == "SKIP"


def test_fewer_tokens_than_rows_is_padding(make: Make, tokenizer: Tokenizer) -> None:
    short = replace(tokenizer, tokens=tokenizer.tokens[:9], special={})
    stage = tokenizer_stage(make(tokens=short))
    assert stage.outcome == "PASS"
    assert "3 rows of padding" in stage.detail


def test_config_and_architecture_of_a_healthy_model_pass(make: Make) -> None:
    assert config_stage(make()).outcome == architecture_stage(make()).outcome == "PASS"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hidden_size", 64, "the configuration asks for"),
        ("num_key_value_heads", 4, "k_proj"),
        ("intermediate_size", 47, "mlp"),
        ("vocab_size", 13, "model.embed_tokens.weight"),
        ("vocab_size", 11, "model.embed_tokens.weight"),
        ("num_hidden_layers", None, "num_hidden_layers is missing"),
        ("num_hidden_layers", 10**12, "more than the tensors can hold"),
        ("hidden_size", "wide", "int was expected"),
    ],
)
def test_a_config_that_contradicts_the_tensors_fails(make: Make, key: str, value: Any, said: str) -> None:
    stage = config_stage(make(config={key: value}))
    assert stage.outcome == "FAIL"
    assert said in stage.detail


def test_rows_behind_the_vocabulary_are_padding_when_the_tokenizer_agrees(make: Make, tokenizer: Tokenizer) -> None:
    short = replace(tokenizer, tokens=tokenizer.tokens[:10], special={})
    stage = config_stage(make(config={"vocab_size": 10}, tokens=short))
    assert stage.outcome == "PASS"
    assert "2 rows of padding" in stage.detail


def test_missing_and_unknown_tensors_fail_the_architecture(make: Make) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    missing = architecture_stage(make({name: None}))
    assert (missing.outcome, missing.detail) == ("FAIL", f"{name} is missing")
    model = make()
    strange = replace(model, tensors={**model.tensors, "model.extra": next(iter(model.tensors.values()))})
    assert architecture_stage(strange).detail == "model.extra is not of llama"


def test_more_layers_than_stated_fail(make: Make) -> None:
    assert architecture_stage(make(config={"num_hidden_layers": 1})).outcome == "FAIL"


def test_what_is_in_no_table_is_skipped(make: Make) -> None:
    model = make(config={"model_type": "novel", "architectures": ["NovelForCausalLM"]}, naming="native")
    assert config_stage(model).outcome == architecture_stage(model).outcome == "SKIP"
    assert "novel" in architecture_stage(model).detail


def test_fused_experts_count_as_the_experts_they_hold(make: Make) -> None:
    """transformers 5 stores a layer's experts as one tensor."""
    layer = "model.layers.{}.mlp.{}"
    dense: dict[str, Any] = {layer.format(i, f"{n}_proj.weight"): None for i in (0, 1) for n in ("gate", "up", "down")}
    facts = {"model_type": "qwen3_moe", "num_experts": 2, "moe_intermediate_size": 8, "head_dim": 8}
    values = dict(dense)
    for i in (0, 1):
        values[layer.format(i, "gate.weight")] = np.ones((2, 32))
        values[layer.format(i, "experts.gate_up_proj")] = np.ones((2, 16, 32))
        values[layer.format(i, "experts.down_proj")] = np.ones((2, 32, 8))
        for norm in ("q_norm", "k_norm"):
            values[f"model.layers.{i}.self_attn.{norm}.weight"] = np.ones(8)
    model = make(values, config=facts)
    assert (config_stage(model).outcome, architecture_stage(model).outcome) == ("PASS", "PASS")
    values[layer.format(1, "experts.gate_up_proj")] = np.ones((1, 16, 32))
    assert architecture_stage(make(values, config=facts)).outcome == "FAIL"
