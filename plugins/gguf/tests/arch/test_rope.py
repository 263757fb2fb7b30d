"""Rope factors both ways: to the bit where the converter wrote them, exactly back where it did not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import DamagedFile, MissingFact
from hub.ir import F16, F32, Config, Tensor
from hub_gguf.arch import _rope

PUBLISHED = [
    pytest.param(8.0, 4.0, 8192, 128, id="Llama 3.1"),
    pytest.param(32.0, 4.0, 8192, 64, id="Llama 3.2 1B"),
    pytest.param(32.0, 4.0, 8192, 128, id="Llama 3.2 3B"),
]


def _settings(factor: float, high: float, length: int) -> dict[str, object]:
    return {
        "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": high,
        "original_max_position_embeddings": length,
    }  # fmt: skip


@pytest.mark.parametrize(("factor", "high", "length", "head_dim"), PUBLISHED)
def test_published_settings_come_back_exactly(factor: float, high: float, length: int, head_dim: int) -> None:
    scaling = _settings(factor, high, length)
    values = _rope.llama3_factors(500000.0, head_dim, scaling)
    assert _rope.llama3_scaling(values, 500000.0, head_dim) == scaling


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([2.0, 4.0, 8.0, 10.5, 32.0]),
    st.sampled_from([2.0, 3.0, 4.0, 8.0, 2.5]),
    st.sampled_from([1024, 2048, 4096, 8192, 16384, 5000]),
    st.sampled_from([64, 80, 128]),
    st.sampled_from([10000.0, 500000.0, 1e6]),
)
def test_settings_that_are_found_give_the_same_factors(
    factor: float, high: float, length: int, head_dim: int, theta: float
) -> None:
    values = _rope.llama3_factors(theta, head_dim, _settings(factor, high, length))
    found = _rope.llama3_scaling(values, theta, head_dim)
    assert found is not None
    assert np.array_equal(_rope.llama3_factors(theta, head_dim, found), values)


def test_factors_follow_the_definition() -> None:
    """The three ranges of wavelengths, in double precision."""
    values = _rope.llama3_factors(500000.0, 128, _settings(8.0, 4.0, 8192))
    for pair, value in enumerate(values.tolist()):
        wave = 2 * math.pi * 500000.0 ** (2 * pair / 128)
        smooth = (8192 / wave - 1) / (4 - 1)
        blend = 1 / ((1 - smooth) / 8 + smooth)
        expected = 1.0 if wave < 8192 / 4 else 8.0 if wave > 8192 else blend
        assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("damage", [0, 20, 31])
def test_factors_that_no_settings_give_are_not_explained(damage: int) -> None:
    values = _rope.llama3_factors(500000.0, 64, _settings(32.0, 4.0, 8192)).copy()
    values[damage] = np.nextafter(values[damage], np.float32(0))
    assert _rope.llama3_scaling(values, 500000.0, 64) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 1.0])
def test_strange_factors_are_not_explained(value: float) -> None:
    assert _rope.llama3_scaling(np.full(32, value, np.float32), 500000.0, 64) is None


def test_a_factor_tensor_is_a_short_vector_of_floats() -> None:
    for shape, encoding in (((2, 2), F32), ((4,), F16)):
        tensor = Tensor.from_bytes("rope_freqs.weight", shape, encoding, bytes(encoding.size(shape)))
        with pytest.raises(DamagedFile, match="rope_freqs"):
            _rope.factors(tensor)


@pytest.mark.parametrize("scaling", [_settings(8.0, 0.0, 8192), _settings(8.0, 1.0, 8192), {"rope_type": "llama3"}])
def test_settings_without_sense_do_not_stop(scaling: dict[str, object]) -> None:
    config = Config({"rope_scaling": scaling, "rope_theta": 1e4, "hidden_size": 64, "num_attention_heads": 2})
    assert [t.shape for t in _rope.extra_tensors(config)] == [(16,)]


def test_lists_that_hold_no_numbers_are_refused() -> None:
    for lists in (
        {"long_factor": ["x"], "short_factor": [1.0]},
        {"long_factor": [1e300], "short_factor": [1]},
        {"long_factor": [1.0]},
    ):
        with pytest.raises(MissingFact):
            _rope.extra_tensors(Config({"rope_scaling": {"rope_type": "longrope", **lists}}))
