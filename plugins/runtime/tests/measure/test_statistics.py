import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hub_runtime.measure import Gatherer, Statistics

VALUES = hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(5)), elements=st.floats(width=32))


def gathered(values: NDArray[np.float32], cut: int) -> Statistics:
    gatherer = Gatherer()
    for piece in (values[:cut], values[cut:]):
        if len(piece):
            gatherer.add(piece)
    return gatherer.statistics()


@given(VALUES, st.integers(0, 12))
def test_pieces_give_what_numpy_gives_of_the_whole(values: NDArray[np.float32], cut: int) -> None:
    found = gathered(values, cut)
    assert (found.rows, found.width, found.count) == (*values.shape, values.size)
    assert found.nan == np.isnan(values).sum()
    assert found.inf == np.isinf(values).sum()
    assert found.zeros == (values == 0).sum()
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        assert (found.min, found.max, found.mean, found.std, found.l2) == (None,) * 5
        return
    scale = float(np.abs(finite).max())
    assert (found.min, found.max) == (finite.min(), finite.max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12 * scale)
    assert found.std == pytest.approx(finite.std(), rel=1e-6, abs=1e-7 * scale)
    assert found.l2 == pytest.approx(np.linalg.norm(finite), rel=1e-9)


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    values = np.float32(1e6) + np.arange(64, dtype=np.float32).reshape(8, 8)
    assert gathered(values, 3).std == pytest.approx(np.arange(64).std(), rel=1e-9)


def test_rows_have_their_root_mean_square() -> None:
    values = np.array([[3, 4], [0, 0], [np.nan, 1]], np.float32)
    rms = gathered(values, 1).row_rms
    assert rms[:2] == pytest.approx([12.5**0.5, 0])
    assert np.isnan(rms[2])
