"""ggml's codec: the same bits as NumPy's where both have a kernel, importance as the library takes it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hub import codecs
from hub.errors import UsageError
from hub.ir import ENCODINGS
from hub_runtime.codecs import Ggml, ggml

pytestmark = pytest.mark.llama

Floats = NDArray[np.float32]
VALUES = np.random.default_rng(0).normal(0, 1, (3, 512)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).uniform(0.01, 3, 512).astype(np.float32)


@pytest.fixture(scope="module")
def codec() -> Ggml:
    found = ggml()
    if found is None:
        pytest.skip("llama-cpp-python is not installed")
    return found


@pytest.mark.parametrize("name", sorted(codecs.reference.encodes & Ggml.encodes))
def test_encoding_as_numpy(name: str, codec: Ggml) -> None:
    encoding = ENCODINGS[name]
    assert codec.encode(encoding, VALUES).tobytes() == codecs.reference.encode(encoding, VALUES).tobytes()


@pytest.mark.parametrize("name", sorted(Ggml.encodes | Ggml.weighs))
def test_decoding_as_numpy(name: str, codec: Ggml) -> None:
    encoding = ENCODINGS[name]
    raw = np.random.default_rng(2).integers(0, 256, (5, encoding.row_nbytes(512)), dtype=np.uint8)
    assert codec.decode(encoding, raw, 512).tobytes() == codecs.reference.decode(encoding, raw, 512).tobytes()


@pytest.mark.parametrize("name", sorted(Ggml.weighs))
def test_importance_counts(name: str, codec: Ggml) -> None:
    """Errors in columns that count much become smaller than without."""
    encoding = ENCODINGS[name]
    steep = np.where(np.arange(512) % 16 < 2, 100, 0.01).astype(np.float32)
    back = codec.decode(encoding, codec.encode(encoding, VALUES, steep), 512)
    flat = codec.decode(encoding, codec.encode(encoding, VALUES, np.ones(512, np.float32)), 512)
    weighed, even = (np.sum(steep * (x - VALUES) ** 2) for x in (back, flat))
    assert weighed <= even
    assert codec.encode(encoding, VALUES, steep).tobytes() != codec.encode(encoding, VALUES, WEIGHTS).tobytes()


def test_values_that_are_not_finite(codec: Ggml) -> None:
    odd = VALUES.copy()
    odd[1, 3] = np.nan
    q4 = ENCODINGS["Q4_K"]
    assert codec.encode(q4, odd).tobytes() == codecs.reference.encode(q4, odd).tobytes()
    with pytest.raises(UsageError, match="not finite cannot be encoded as IQ3_S"):
        codec.encode(ENCODINGS["IQ3_S"], odd)


@pytest.mark.usefixtures("codec")
def test_the_hub_takes_it_for_what_others_cannot() -> None:
    with codecs.using() as used:
        codecs.encode(ENCODINGS["IQ3_S"], VALUES)
        codecs.encode(ENCODINGS["Q4_K"], VALUES, WEIGHTS)
    assert used.names() == ["ggml"]
    with codecs.using("ggml") as used:
        codecs.encode(ENCODINGS["Q8_0"], VALUES)
    assert used.names() == ["ggml"]
