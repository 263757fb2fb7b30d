from __future__ import annotations

import pytest

from hub.architectures import FAMILIES, Family
from hub.ir import ENCODINGS, Tensor
from hub.verdicts._roles import Role, role


def named(name: str, shape: tuple[int, ...], encoding: str = "F32") -> Tensor:
    kind = ENCODINGS[encoding]
    return Tensor.from_bytes(name, shape, kind, bytes(kind.size(shape)))


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("model.layers.0.input_layernorm.weight", (8,), Role.NORM),
        ("transformer.h.0.ln_1.weight", (8,), Role.NORM),
        ("transformer.ln_f.weight", (8,), Role.NORM),
        ("blk.0.attn_norm.weight", (8,), Role.NORM),
        ("embeddings.LayerNorm.gamma", (8,), Role.NORM),
        ("embeddings.LayerNorm.beta", (8,), Role.BIAS),
        ("model.layers.0.self_attn.q_proj.bias", (8,), Role.BIAS),
        ("blk.0.exp_probs_b.bias", (8,), Role.BIAS),
        ("model.embed_tokens.weight", (8, 4), Role.TOKENS),
        ("lm_head.weight", (8, 4), Role.TOKENS),
        ("token_embd.weight", (8, 4), Role.TOKENS),
        ("output.weight", (8, 4), Role.TOKENS),
        ("bert.embeddings.word_embeddings.weight", (8, 4), Role.TOKENS),
        ("bert.embeddings.position_embeddings.weight", (8, 4), Role.TABLE),
        ("bert.embeddings.token_type_embeddings.weight", (2, 4), Role.TABLE),
        ("transformer.wpe.weight", (8, 4), Role.TABLE),
        ("position_embd.weight", (8, 4), Role.TABLE),
        ("rope_freqs.weight", (8,), Role.VECTOR),
        ("model.layers.0.self_attn.o_proj.weight", (8, 4), Role.WEIGHT),
        ("blk.0.attn_output.weight", (8, 4), Role.WEIGHT),
    ],
)
def test_the_role_follows_the_name(name: str, shape: tuple[int, ...], expected: Role) -> None:
    assert role(named(name, shape)) is expected


def test_integers_are_no_weights() -> None:
    assert role(named("embeddings.position_ids", (1, 8), "I64")) is Role.INTEGER


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.model_type)
def test_every_tensor_of_every_family_has_a_role_of_its_own(family: Family) -> None:
    found = {role(named(s.name.format(i=0, e=0, h=0, g=0), (2,) * len(s.shape))) for s in family.slots}
    assert {Role.TOKENS, Role.WEIGHT} <= found
    assert Role.VECTOR not in found
