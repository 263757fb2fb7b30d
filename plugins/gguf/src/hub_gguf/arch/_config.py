"""config.json from GGUF keys: facts that are there, facts llama.cpp works out by rule, and the names of the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.architectures import FAMILIES, Family
from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Config, Tensor
from hub_gguf.arch import _rope
from hub_gguf.arch._keys import BOOL, FLOAT, STRING, U32
from hub_gguf.arch._rules import Rule
from hub_gguf.arch._tables import Arch

_THETA = 10000.0  # llama.cpp's rope_freq_base_train when a file has no rope.freq_base
_KINDS: dict[Any, type | tuple[type, ...]] = {U32: int, FLOAT: (float, int), BOOL: bool, STRING: str}
_WIDE_LAYERS = {"gemma2": 46, "gemma3": 62}  # the 27B models, whose queries are scaled by hidden_size / heads


@dataclass
class Source:
    """What a GGUF file says: `keys` without their architecture prefix, all keys, tensors; and what is found out.

    `values` are canonical facts; `notes` say what was derived or is missing; `used` names tensors that became facts.
    """

    arch: Arch
    family: Family
    kv: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    present: frozenset[Rule]
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def key(self, name: str) -> Any:
        """The value of `{arch}.name`, None when absent; `UnsupportedFile` for lists (one value a layer)."""
        value = self.kv.get(f"{self.arch.name}.{name}")
        kind = _KINDS.get(self.arch.key(name).type) if value is not None else None
        if value is None or (kind and isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))):
            return self._finite(name, value) if isinstance(value, float) else value
        if isinstance(value, str | int | float):
            raise DamagedFile(f"key {self.arch.name}.{name} is {value!r}, {self.arch.key(name).type.name} was expected")
        raise UnsupportedFile(
            f"key {self.arch.name}.{name} is a list with one value a layer", hint="such models are not converted"
        )

    def _finite(self, name: str, value: float) -> float:
        if not math.isfinite(value):
            raise DamagedFile(f"key {self.arch.name}.{name} is {value}, a number was expected")
        return exact_float(value)

    def need(self, fact: str) -> int:
        """A count that a rule works with; `MissingFact` when the file does not state it."""
        return Config(self.values).require(fact, int)

    @property
    def head_dim(self) -> int:
        """Width of a head as llama.cpp takes it: key_length, or embedding_length / head_count."""
        return Config(self.values).head_dim


def exact_float(value: float) -> float:
    """The shortest decimal that is the same float32: 9.999999747378752e-06 is 1e-05."""
    return float(str(np.float32(value)))


def config_of(source: Source) -> Config:
    """The config.json of a file, under the family's own keys."""
    _direct(source)
    for step in (_heads, _presence, _rotary, _scaling, *_EXTRA.get(source.arch.name, ())):
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
        values.setdefault("num_key_value_heads", source.key("attention.head_count_kv") or heads)
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
        values["rope_theta"] = source.key("rope.freq_base") or _THETA
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
    kind, factor = source.key("rope.scaling.type"), source.key("rope.scaling.factor")
    linear = source.key("rope.scale_linear")
    if kind == "yarn":
        source.values["rope_scaling"] = _yarn(source, factor)
    elif kind == "linear" or (linear and linear != 1):
        source.values["rope_scaling"] = {"rope_type": "linear", "factor": factor or linear}
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
    return scaling | {fact: value for fact, value in found.items() if value is not None}


def _llama3(source: Source) -> None:
    values = _rope.factors(source.tensors[_rope.FREQS])
    scaling = _rope.llama3_scaling(values, source.values["rope_theta"], source.head_dim)
    if scaling is None and not (values == 1).all():
        source.notes.append(f"{_rope.FREQS} is not what any llama3 rope scaling gives: it has no place in config.json")
        return
    source.values["rope_scaling"] = scaling
    source.used.add(_rope.FREQS)


def _longrope(source: Source) -> None:
    """phi3: two lists as tensors; rope.scaling.type is not written, a window of 0 means none."""
    values = source.values
    values["sliding_window"] = values.get("sliding_window") or None
    trained = source.key("rope.scaling.original_context_length") or values.get("max_position_embeddings")
    if trained is not None:
        values["original_max_position_embeddings"] = trained
    values["rope_scaling"] = None
    if {_rope.LONG, _rope.SHORT} <= source.tensors.keys():
        lists = {
            key: source.tensors[name] for key, name in (("long_factor", _rope.LONG), ("short_factor", _rope.SHORT))
        }
        numbers = {key: [exact_float(x) for x in _rope.factors(tensor)] for key, tensor in lists.items()}
        values["rope_scaling"] = {"type": "longrope", **numbers}
        source.used |= {_rope.LONG, _rope.SHORT}


def _query_scalar(source: Source) -> None:
    """gemma2, gemma3: not written; llama.cpp takes the head width, and hidden_size / heads for the 27B models."""
    values = source.values
    if values.get("num_hidden_layers") == _WIDE_LAYERS[source.arch.name]:
        values["query_pre_attn_scalar"] = source.need("hidden_size") // source.need("num_attention_heads")
    else:
        values["query_pre_attn_scalar"] = source.head_dim


def _gemma_layers(source: Source) -> None:
    """Every second layer of gemma2, every sixth of gemma3 sees everything (llama.cpp's `load_swa_pattern`)."""
    values = source.values
    period = 2 if source.arch.name == "gemma2" else 6
    if not values.get("sliding_window"):
        source.notes.append("sliding_window is not in the file: every layer is taken as full attention")
        period = 1
    kinds = ("full_attention", "sliding_attention")
    values["layer_types"] = [kinds[(i + 1) % period != 0] for i in range(_layers(values))]
    if source.arch.name == "gemma3":
        values["sliding_window_pattern"] = period
        values["rope_local_base_freq"] = source.key("rope.freq_base_swa") or _THETA


def _softcaps(source: Source) -> None:
    for fact in ("attn_logit_softcapping", "final_logit_softcapping"):
        source.values.setdefault(fact, None)


def _key_heads(source: Source) -> None:
    """phi2: the converter writes the number of heads here too; the rows of the keys tell."""
    keys = source.tensors.get("blk.0.attn_k.weight")
    heads = keys.shape[0] // max(1, source.head_dim) if keys is not None else 0
    if heads not in {0, source.need("num_key_value_heads")}:
        source.values["num_key_value_heads"] = heads
        source.notes.append(f"attention.head_count_kv is wrong; the keys have {heads} heads")


def _layers(values: Mapping[str, Any]) -> int:
    n = values.get("num_hidden_layers") or 0
    if n > 1 << 16:
        raise DamagedFile(f"the file says {n} layers, at most {1 << 16} were expected")
    return int(n)


def _widths(source: Source) -> None:
    """Widths of experts that older files do not state: rows of the stacked tensors."""
    stacks = {"moe_intermediate_size": "ffn_up_exps", "shared_expert_intermediate_size": "ffn_up_shexp"}
    for fact, word in stacks.items():
        tensor = source.tensors.get(f"blk.0.{word}.weight")
        if tensor is not None and len(tensor.shape) > 1:
            source.values.setdefault(fact, tensor.shape[-2])


def _falcon(source: Source) -> None:
    """40B-style models have groups of keys and, mostly, two norms a layer; 7B-style ones a single key head."""
    values = source.values
    heads, groups = source.need("num_attention_heads"), source.need("num_key_value_heads")
    two = any(rule.when == "two_norms" for rule in source.present)
    values["new_decoder_architecture"] = two or 1 < groups < heads
    values["multi_query"] = values["new_decoder_architecture"] or groups == 1
    if values["new_decoder_architecture"]:
        values["num_ln_in_parallel_attn"] = 2 if two else 1


def _types(source: Source) -> None:
    """bert: segment ids are counted by their table; the pooling head is never in a file."""
    source.notes.append("pooler.dense is not in the file; it is no part of an embedding")
    pooling = source.kv.get("bert.pooling_type")
    if pooling is not None:
        source.notes.append(f"bert.pooling_type {pooling} has no place in config.json")
    tensor = source.tensors.get("token_types.weight")
    source.values["type_vocab_size"] = 0 if tensor is None else tensor.shape[0]


def _window(source: Source) -> None:
    if source.kv.get(f"{source.arch.name}.attention.sliding_window"):
        raise UnsupportedFile("a sliding window in architecture olmo2 means OLMo 3, which is not converted")


def _context(source: Source) -> None:
    source.values["n_ctx"] = source.values.get("max_position_embeddings")  # as OpenAI's own config.json has it


_EXTRA: dict[str, tuple[Callable[[Source], None], ...]] = {
    "gemma2": (_query_scalar, _gemma_layers, _softcaps),
    "gemma3": (_query_scalar, _gemma_layers, _softcaps),
    "phi2": (_key_heads,),
    "phi3": (_longrope,),
    "qwen2moe": (_widths,),
    "qwen3moe": (_widths,),
    "falcon": (_falcon,),
    "bert": (_types,),
    "olmo2": (_window,),
    "gpt2": (_context,),
}


def _ids(source: Source) -> None:
    """Special ids as the tokenizer's keys have them; null where they have none, so that no class default steps in."""
    names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    for fact, name in names.items():
        source.values[fact] = source.kv.get(f"tokenizer.ggml.{name}_token_id")


def _dtype(tensors: Iterable[Tensor]) -> str:
    """The type most bytes are in, as transformers calls it; float32 when they are quantized."""
    nbytes: dict[str, int] = {}
    for tensor in tensors:
        nbytes[tensor.encoding.name] = nbytes.get(tensor.encoding.name, 0) + tensor.nbytes
    widest = max(nbytes, key=lambda name: nbytes[name], default="F32")
    return {"F16": "float16", "BF16": "bfloat16"}.get(widest, "float32")


def family_of(arch: Arch, kv: Mapping[str, Any]) -> Family:
    """Which of the architecture's families a file holds: llama with experts is Mixtral."""
    if arch.name == "llama" and kv.get("llama.expert_count"):
        return FAMILIES["mixtral"]
    return FAMILIES[arch.families[0]]
