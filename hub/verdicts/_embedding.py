"""Which tensor has one row for each token."""

from __future__ import annotations

from hub.ir import Model, Tensor

# Endings of the token embedding's name, over families and dialects.
ENDINGS = (
    "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight", "tok_embeddings.weight",
    "token_embd.weight", "token_embedding.weight",
)  # fmt: skip

# Endings of the output projection's name, which has a row for each token too.
HEADS = ("lm_head.weight", "embed_out.weight")


def embedding(model: Model) -> Tensor | None:
    """The token embedding [tokens, hidden]; None when no tensor has such a name."""
    for ending in ENDINGS:
        for name, tensor in model.tensors.items():
            if (name == ending or name.endswith(f".{ending}")) and len(tensor.shape) == 2:
                return tensor
    return None


def has_token_rows(name: str) -> bool:
    """True for a tensor with one row for each token: the embedding or the output projection."""
    return name in {"output.weight", *ENDINGS, *HEADS} or name.endswith(tuple(f".{e}" for e in ENDINGS + HEADS))
