"""Stages 8 and 9: whether the configuration and the tensors describe one and the same model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hub.architectures import Family, family, usual
from hub.errors import HubError
from hub.interface import Stage
from hub.ir import Model, Tensor
from hub.verdicts._embedding import embedding
from hub.verdicts._stages import StageResult, faulty, result


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A family's tensors against those that are there."""

    shapes: list[str]
    missing: list[str]
    unknown: list[str]


def config_stage(model: Model) -> StageResult:
    """PASS when every required fact is stated and the dimensions derived from them are the tensors' shapes."""
    if not model.config or not model.tensors:
        missing = "configuration" if model.tensors else "tensors"
        return result(Stage.CONFIG, "SKIP", f"the source has no {missing}")
    try:
        known = family(model.config)
        problems = [*_stated(known, model)] if known else []
        spare = _spare_rows(model)
        if known and not problems:
            problems = _compare(known, model).shapes
    except HubError as error:
        problems = [error.message]
    if problems:
        return faulty(Stage.CONFIG, problems)
    if known is None:
        return result(Stage.CONFIG, "SKIP", f"{_name(model)} is in no table; dimensions cannot be derived")
    padding = f"; {spare} rows of padding behind vocab_size" if spare else ""
    return result(Stage.CONFIG, "PASS", f"{len(model.config)} keys, dimensions agree with the tensors' shapes{padding}")


def architecture_stage(model: Model) -> StageResult:
    """PASS when the family is known and its tensors are all there and no others."""
    if not model.tensors:
        return result(Stage.ARCHITECTURE, "FAIL", "the source has no tensors")
    if not model.config and model.naming == "hf":
        return result(Stage.ARCHITECTURE, "SKIP", "the source has no configuration")
    try:
        known = family(model.config)
        if known is None or model.naming == "native":
            return result(Stage.ARCHITECTURE, "SKIP", f"{_name(model)} is in no table")
        if [*_stated(known, model)]:
            return result(Stage.ARCHITECTURE, "SKIP", "not reached: configuration failed")
        found = _compare(known, model)
    except HubError as error:
        return result(Stage.ARCHITECTURE, "FAIL", error.message)
    problems = [f"{name} is missing" for name in found.missing] + [
        f"{n} is not of {known.model_type}" for n in found.unknown
    ]
    if problems:
        return faulty(Stage.ARCHITECTURE, problems)
    return result(Stage.ARCHITECTURE, "PASS", f"{known.model_type}: all {len(model.tensors)} tensors are accounted for")


def _name(model: Model) -> str:
    stated = model.config.get("model_type") or model.metadata.get("architecture")
    return repr(stated) if stated else "an architecture that nothing names"


def _stated(known: Family, model: Model) -> Iterator[str]:
    """Facts that are missing, and counts beyond what the file can hold, before anything is enumerated by them."""
    facts = known.facts(model.config)
    for key in known.required_facts:
        if facts.fact(key, object) is None:
            yield f"{key} is missing"
    for key in ("num_hidden_layers", "num_experts", "num_attention_heads", "num_key_value_heads"):
        value = facts.fact(key, int)
        limit = max(len(model.tensors), *(max(t.shape, default=0) for t in model.tensors.values()), 0)
        if value is not None and not 0 <= value <= limit:
            yield f"{key} is {value}, more than the tensors can hold"


def _spare_rows(model: Model) -> int:
    """Rows of padding: more rows than `vocab_size`, where that is what the tokenizer has; 0 otherwise."""
    size, table = model.config.fact("vocab_size", int), embedding(model)
    try:
        tokenizer = model.tokenizer.get()
    except HubError:  # stage 7 says so
        return 0
    if size is None or table is None or tokenizer is None or size != len(tokenizer):
        return 0
    return max(0, table.shape[0] - size)


def _compare(known: Family, model: Model) -> _Comparison:
    tensors: dict[str, Tensor] = {t.name: t for _, t in usual(known, model.tensors)}
    aliases = {known.normal(name) for name in model.ties}
    spare = _spare_rows(model)
    shapes, missing, seen = [], [], set()
    # Families list a tensor at most some ten times as often as a model has it; a count gone wild ends here.
    config = model.config.merged({"vocab_size": model.config["vocab_size"] + spare}) if spare else model.config
    for wanted in islice(known.expected(config), 20 * len(tensors) + 10_000):
        seen.add(wanted.name)
        tensor = tensors.get(wanted.name)
        if tensor is None:
            missing += [wanted.name] if wanted.required and wanted.name not in aliases else []
        elif tensor.shape != wanted.shape:
            shapes.append(f"{tensor.name} is {list(tensor.shape)}, the configuration asks for {list(wanted.shape)}")
    unknown = [n for n in tensors if n not in seen and not n.endswith(known.computed)]
    return _Comparison(shapes, missing, unknown)
