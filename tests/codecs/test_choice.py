"""Who does the work: the fastest codec, or the one asked for, and what is said of it."""

import threading
from contextvars import copy_context

import numpy as np
import pytest

from hub import codecs
from hub.errors import UsageError
from hub.ir import ENCODINGS

Q8_0, Q4_K, IQ2_XXS = (ENCODINGS[name] for name in ("Q8_0", "Q4_K", "IQ2_XXS"))
X = np.ones((2, 256), np.float32)


def test_numpy_is_always_there_and_last() -> None:
    assert codecs.available()[-1] is codecs.reference
    names = [codec.name for codec in codecs.available()]
    assert sorted(names, key=[*codecs.ORDER, "numpy"].index) == names


def test_what_was_used_is_said() -> None:
    with codecs.using("numpy") as used:
        codecs.decode(Q8_0, codecs.encode(Q8_0, X), 256)
        codecs.encode(Q4_K, X)
    assert used.document() == [{"codec": "numpy", "decoded": ["Q8_0"], "encoded": ["Q4_K", "Q8_0"]}]


def test_without_a_name_the_first_that_can_does_it() -> None:
    first = next(codec.name for codec in codecs.available() if "Q4_K" in codec.encodes)
    with codecs.using() as used:
        codecs.encode(Q4_K, X)
    assert used.names() == [first]


def test_short_blocks_and_other_numbers_stay_with_numpy() -> None:
    with codecs.using() as used:
        assert codecs.encode(Q8_0, X[:, :33]).shape == (2, 68)
        assert codecs.encode(ENCODINGS["F16"], X.astype(np.float64)).shape == (2, 512)
    assert used.names() == []


def test_a_codec_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no codec 'fortran' is installed") as error, codecs.using("fortran"):
        pass
    assert str(error.value.hint).endswith("numpy")


def test_threads_that_take_the_context_along() -> None:
    with codecs.using("numpy") as used:
        thread = threading.Thread(target=copy_context().run, args=(codecs.encode, Q4_K, X))
        thread.start()
        thread.join()
    assert used.names() == ["numpy"]


def test_importance_needs_a_codec_that_weighs() -> None:
    with codecs.using("numpy"), pytest.raises(UsageError, match="no codec encodes Q4_K under an importance matrix"):
        codecs.encode(Q4_K, X, np.ones(256, np.float32))


def test_what_can_only_be_encoded_under_an_importance() -> None:
    with codecs.using("numpy"), pytest.raises(UsageError, match="IQ2_XXS cannot be encoded"):
        codecs.encode(IQ2_XXS, X)


@pytest.mark.parametrize("old", ["F32", "F16", "BF16", "Q4_1", "Q6_K"])
@pytest.mark.parametrize("new", ["F32", "F16", "Q4_K"])
def test_recoding_at_once_is_decoding_and_encoding(old: str, new: str) -> None:
    first, second = ENCODINGS[old], ENCODINGS[new]
    raw = codecs.reference.encode(first, np.random.default_rng(0).normal(0, 1, (5, 512)).astype(np.float32))
    with codecs.using():
        got = codecs.transcode(first, second, raw, 512)
    values = codecs.reference.decode(first, raw, 512)
    assert got.tobytes() == codecs.reference.encode(second, values).tobytes()
