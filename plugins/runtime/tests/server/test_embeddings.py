import base64
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from hub_runtime.engine import LoadedModel, embed

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")

TEXTS = ["Once", "The sea is blue", "x"]


def test_they_are_the_engines(client: Any, model: LoadedModel) -> None:
    with model.context(64, threads=1, batch=64, embeddings=True, pooling="mean") as context:
        wanted = list(embed(context, [model.vocab.tokenize(text) for text in TEXTS]))
    got = client.embeddings.create(model="tiny", input=TEXTS)
    assert [e.index for e in got.data] == [0, 1, 2]
    for found, vector in zip(got.data, wanted, strict=True):
        np.testing.assert_allclose(found.embedding, vector, atol=1e-5)
        assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-5)
    assert got.usage.prompt_tokens == got.usage.total_tokens == sum(len(model.vocab.tokenize(t)) for t in TEXTS)


def test_both_encodings_say_the_same(server: Any) -> None:
    plain, packed = (
        httpx.post(f"{server.url}/v1/embeddings", json={"input": "Once", "encoding_format": form}).json()
        for form in ("float", "base64")
    )
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain["data"][0]["embedding"])


def test_tokens_are_inputs_too(client: Any, model: LoadedModel) -> None:
    tokens = model.vocab.tokenize("Once")
    one = client.embeddings.create(model="tiny", input="Once").data[0].embedding
    for form in (tokens, [tokens]):
        assert client.embeddings.create(model="tiny", input=form).data[0].embedding == pytest.approx(one)
    assert client.embeddings.create(model="tiny", input="Once", dimensions=len(one)).data[0].embedding == one


def test_what_cannot_be_is_refused(client: Any) -> None:
    bad: list[Any] = [{"input": []}, {"input": "x" * 600}, {"input": [10**7]}, {"input": ["x"] * 2049}]
    for more in [*bad, {"dimensions": 7}]:
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(**{"model": "tiny", "input": "Once", **more})


def test_a_model_that_does_not_pool_says_so(serving: Any, tiny: Any) -> None:
    with serving(tiny, "--threads", 1) as client, pytest.raises(openai.BadRequestError, match="--pooling"):
        client.embeddings.create(model="tiny", input="Once")
