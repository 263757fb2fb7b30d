"""Embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.errors import UnsupportedFile, UsageError
from hub_runtime.engine import LoadedModel, embed

Document = Callable[..., Any]
TEXTS = ["one", "another text", "a third and longer text"]


def test_many_at_once_are_as_one_by_one(model: LoadedModel) -> None:
    prompts = [model.vocab.tokenize(t) for t in TEXTS]
    with model.context(64, sequences=2, threads=1, batch=64, embeddings=True, pooling="mean") as context:
        together = list(embed(context, prompts))
    with model.context(64, threads=1, batch=64, embeddings=True, pooling="mean") as context:
        alone = [next(embed(context, [p])) for p in prompts]
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(np.linalg.norm(together, axis=1), 1)


def test_the_mean_is_that_of_the_tokens(model: LoadedModel) -> None:
    tokens = model.vocab.tokenize("mean of these")
    with model.context(64, threads=1, embeddings=True, pooling="none") as context:
        batch = context.batch()
        batch.add(tokens, 0, 0, logits=True)
        context.decode(batch)
        each = [np.array(context.token_embedding(i)) for i in range(len(tokens))]
    for pooling, expected in (("mean", np.mean(each, axis=0)), ("cls", each[0]), ("last", each[-1])):
        with model.context(64, threads=1, embeddings=True, pooling=pooling) as context:
            assert np.allclose(next(embed(context, [tokens], normalize=False)), expected, atol=1e-5)


def test_what_cannot_be_embedded_is_refused(model: LoadedModel) -> None:
    with model.context(64, threads=1, embeddings=True, pooling="mean") as context:
        for wrong in ([], [65] * 300):
            with pytest.raises(UsageError, match="text 2 has"):
                list(embed(context, [[65], wrong]))
    with model.context(64, threads=1, embeddings=True, pooling="none") as context, pytest.raises(UnsupportedFile):
        list(embed(context, [[65]]))


@pytest.mark.usefixtures("llama")
def test_the_command_prints_numbers(document: Document, hub: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    said = document("embed", "embed", tiny, *TEXTS, "--pooling", "mean")
    assert [e["text"] for e in said["embeddings"]] == TEXTS
    assert (said["dimensions"], said["pooling"], said["normalized"]) == (32, "mean", True)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    ran = hub("embed", tiny, "--file", tmp_path / "texts.txt", "--pooling", "mean")
    rows = [[float(x) for x in line.split()] for line in ran.out.splitlines()]
    assert np.allclose(rows, [e["embedding"] for e in said["embeddings"]], atol=1e-6)
    for arguments in ((), ("x", "--file", tmp_path / "texts.txt"), ("x", "--pooling", "max")):
        assert hub("embed", tiny, *arguments).code == 2
