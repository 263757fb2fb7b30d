"""What the tables of families are made of: the lines that many have in common."""

from __future__ import annotations

from collections.abc import Callable

from hub.architectures._family import Slot
from hub.ir import Config

LAYER = "model.layers.{i}."

MHA: dict[str, Callable[[Config], int]] = {"num_key_value_heads": lambda c: c.num_kv_heads}
HEAD_DIM: dict[str, Callable[[Config], int]] = {"head_dim": lambda c: c.head_dim}
FOUR_HIDDEN: dict[str, Callable[[Config], int]] = {
    "intermediate_size": lambda c: c.fact("intermediate_size", int) or 4 * c.require("hidden_size", int)
}
ONE_THETA: dict[str, Callable[[Config], float | None]] = {
    "rope_local_base_freq": lambda c: c.fact("rope_local_base_freq", float) or c.fact("rope_theta", float)
}
ROPE = {"rope_theta": 10000.0}
UNTIED = {"tie_word_embeddings": False}
TIED = {"tie_word_embeddings": True}


def slots(*blocks: str) -> tuple[Slot, ...]:
    """The slots of all lines of `blocks`; empty lines do not count."""
    return tuple(Slot.parse(line) for block in blocks for line in block.splitlines() if line.strip())


def norms(*names: str) -> str:
    """Norm weights of a layer."""
    return "\n".join(f"{LAYER}{name}.weight H" for name in names)


def biases(lines: str, when: str) -> str:
    """`lines` under the condition `when`: "" for never, "always", or a fact."""
    return "\n".join(f"{line} {'' if when == 'always' else when}" for line in lines.strip().splitlines() if when)


def attention(qkv_bias: str = "", o_bias: str = "", out: str = "o_proj") -> str:
    """Separate queries, keys, values and output; `*_bias` as in `biases`."""
    qkv = f"{LAYER}self_attn.q_proj.bias Q\n{LAYER}self_attn.k_proj.bias K\n{LAYER}self_attn.v_proj.bias K"
    return f"""
    {LAYER}self_attn.q_proj.weight Q,H
    {LAYER}self_attn.k_proj.weight K,H
    {LAYER}self_attn.v_proj.weight K,H
    {LAYER}self_attn.{out}.weight H,Q
    {biases(qkv, qkv_bias)}
    {biases(f"{LAYER}self_attn.{out}.bias H", o_bias)}
    """


def gated_mlp(bias: str = "") -> str:
    """Gate, up and down projections; `bias` as in `biases`."""
    lines = f"{LAYER}mlp.gate_proj.bias F\n{LAYER}mlp.up_proj.bias F\n{LAYER}mlp.down_proj.bias H"
    return f"""
    {LAYER}mlp.gate_proj.weight F,H
    {LAYER}mlp.up_proj.weight F,H
    {LAYER}mlp.down_proj.weight H,F
    {biases(lines, bias)}
    """


def plain_mlp(bias: str = "") -> str:
    """Up and down projections without a gate; `bias` as in `biases`."""
    lines = f"{LAYER}mlp.up_proj.bias F\n{LAYER}mlp.down_proj.bias H"
    return f"""
    {LAYER}mlp.up_proj.weight F,H
    {LAYER}mlp.down_proj.weight H,F
    {biases(lines, bias)}
    """


ENDS = """
model.embed_tokens.weight V,H
model.norm.weight H
lm_head.weight V,H !tie_word_embeddings
"""

QK_HEAD_NORMS = f"""
{LAYER}self_attn.q_norm.weight D
{LAYER}self_attn.k_norm.weight D
"""

EXPERTS = f"""
{LAYER}mlp.gate.weight E,H moe
{LAYER}mlp.experts.{{e}}.gate_proj.weight M,H moe
{LAYER}mlp.experts.{{e}}.up_proj.weight M,H moe
{LAYER}mlp.experts.{{e}}.down_proj.weight H,M moe
{LAYER}mlp.gate_proj.weight F,H !moe
{LAYER}mlp.up_proj.weight F,H !moe
{LAYER}mlp.down_proj.weight H,F !moe
"""

PRE_POST = norms("input_layernorm", "post_attention_layernorm")
SANDWICH = norms(
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
)
LLAMA = slots(ENDS, PRE_POST, attention("attention_bias", "attention_bias"), gated_mlp("mlp_bias"))
PLAIN = slots(ENDS, PRE_POST, attention(), gated_mlp())
SILU = {"hidden_act": "silu"}
GELU_TANH = {"hidden_act": "gelu_pytorch_tanh"}
RELU2 = {"hidden_act": "relu2"}
