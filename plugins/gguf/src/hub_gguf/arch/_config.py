"""config.json from GGUF keys: facts that are there, facts llama.cpp works out by rule, and the names of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hub.architectures import FAMILIES, Family
from hub.errors import DamagedFile
from hub.ir import Config, Tensor
from hub_gguf.arch import _rope
from hub_gguf.arch._reading import THETA, Source
from hub_gguf.arch._special import SPECIAL
from hub_gguf.arch._tables import Arch


def config_of(source: Source) -> Config:
    """The config.json of a file, under the family's own keys."""
    _direct(source)
    for step in (_heads, _presence, _rotary, _scaling, *SPECIAL.get(source.arch.name, ())):
        step(source)
    _ids(source)
    values = {**source.family.states, **source.values}
    source.notes += _silent(source, values)
    head = {"architectures": [source.family.classes[0]], "model_type": source.family.model_type}
    return Config(head | source.family.spelled(values) | {"torch_dtype": _dtype(source.tensors.values())})


def _silent(source: Source, values: Mapping[str, Any]) -> list[str]:
    unsaid = dict.fromkeys((*source.family.states, *source.arch.silent))
    taken = [f"{fact}={values.get(fact)}" for fact in unsaid if not isinstance(values.get(fact), list)]
    return [f"not in the keys of a GGUF {source.arch.name}, taken as llama.cpp does: {', '.join(taken)}"]


def _direct(source: Source) -> None:
    for name in source.arch.keys:
        rule = source.arch.key(name)
        value = source.key(name) if rule.fact else None
        if value is not None:
            source.values[rule.fact] = value
    embedding = source.tensors.get("token_embd.weight")
    if embedding is not None and len(embedding.shape) == 2:
        source.values["vocab_size"] = embedding.shape[0]


def _heads(source: Source) -> None:
    values = source.values
    heads = values.get("num_attention_heads")
    if heads is not None and heads < 1:
        raise DamagedFile(f"key {source.arch.name}.attention.head_count is {heads}, at least 1 was expected")
    if "num_key_value_heads" in {**source.family.defaults, **source.family.derived}:
        values["num_key_value_heads"] = source.otherwise("attention.head_count_kv", heads)
    if "head_dim" in source.family.defaults and "head_dim" not in values:
        values["head_dim"] = source.head_dim


def _presence(source: Source) -> None:
    """Facts that are true because their tensors are there: biases, norms of queries and keys, an output of its own."""
    known = {rule.when for rule in source.present}
    family = source.family
    for slot in family.slots:
        fact = slot.when.lstrip("!")
        plain = fact and "&" not in fact and fact not in {"moe", "maybe", "two_norms"}
        if plain and fact not in source.values:
            source.values[fact] = (slot.when in known) != slot.when.startswith("!")


def _rotary(source: Source) -> None:
    values, family = source.values, source.family
    if "rope_theta" not in family.defaults:
        return
    if "rope_theta" not in values:
        values["rope_theta"] = source.otherwise("rope.freq_base", THETA)
    dims = source.key("rope.dimension_count")
    if "partial_rotary_factor" in family.defaults and dims is not None:
        values["partial_rotary_factor"] = share(dims, source.head_dim)
    elif dims not in {None, source.head_dim}:
        source.notes.append(f"rope.dimension_count is {dims}, the heads are {source.head_dim} wide: not in config.json")


def share(dims: int, head_dim: int) -> float:
    """The shortest decimal p with int(p * head_dim) == dims, as the converter and transformers work dims out."""
    exact = dims / head_dim
    shorts = (round(exact, digits) for digits in range(1, 16))
    return next((p for p in shorts if int(p * head_dim) == dims), exact)


def _scaling(source: Source) -> None:
    if "rope_theta" not in source.family.defaults or source.arch.name == "phi3":
        return
    factor = source.key("rope.scaling.factor") or source.key("rope.scale_linear")
    kind = source.key("rope.scaling.type") or "linear"  # llama.cpp's, where there is a factor
    if kind == "yarn" and factor:
        source.values["rope_scaling"] = _yarn(source, factor)
    elif kind == "linear" and factor and factor != 1:
        source.values["rope_scaling"] = {"rope_type": "linear", "factor": factor}
    elif _rope.FREQS in source.tensors:
        _llama3(source)
    else:
        source.values["rope_scaling"] = None


def _yarn(source: Source, factor: float) -> dict[str, Any]:
    scaling: dict[str, Any] = {"rope_type": "yarn", "factor": factor}
    names = {
        "original_max_position_embeddings": "original_context_length", "extrapolation_factor": "yarn_ext_factor",
        "attention_factor": "yarn_attn_factor", "beta_fast": "yarn_beta_fast", "beta_slow": "yarn_beta_slow",
    }  # fmt: skip
    found = {fact: source.key(f"rope.scaling.{name}") for fact, name in names.items()}
    trained = source.values.get("max_position_embeddings")
    found["original_max_position_embeddings"] = source.otherwise("rope.scaling.original_context_length", trained)
    return scaling | {fact: value for fact, value in found.items() if value is not None}


def _llama3(source: Source) -> None:
    values = _rope.factors(source.tensors[_rope.FREQS])
    scaling = _rope.llama3_scaling(values, source.values["rope_theta"], source.head_dim)
    if scaling is None and not (values == 1).all():
        source.notes.append(f"{_rope.FREQS} is not what any llama3 rope scaling gives: it has no place in config.json")
        return
    source.values["rope_scaling"] = scaling
    source.used.add(_rope.FREQS)


def _ids(source: Source) -> None:
    """Special ids as the tokenizer's keys have them; null where they have none, so that no class default steps in."""
    names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    for fact, name in names.items():
        stated = source.kv.get(f"tokenizer.ggml.{name}_token_id")
        source.values[fact] = stated if type(stated) is int else None


def _dtype(tensors: Iterable[Tensor]) -> str:
    """The type most bytes are in, as transformers calls it; float32 when they are quantized."""
    nbytes: dict[str, int] = {}
    for tensor in tensors:
        nbytes[tensor.encoding.name] = nbytes.get(tensor.encoding.name, 0) + tensor.nbytes
    widest = max(nbytes, key=lambda name: nbytes[name], default="F32")
    return {"F16": "float16", "BF16": "bfloat16"}.get(widest, "float32")


def family_of(arch: Arch, kv: Mapping[str, Any]) -> Family:
    """Which of the architecture's families a file holds: llama with experts is Mixtral, olmo2 with a window OLMo 3."""
    if arch.name == "llama" and kv.get("llama.expert_count"):
        return FAMILIES["mixtral"]
    if arch.name == "olmo2" and kv.get("olmo2.attention.sliding_window"):
        return FAMILIES["olmo3"]
    return FAMILIES[arch.families[0]]
