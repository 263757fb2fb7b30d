import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_runtime.measure import Summary, percentile

TIMES = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(TIMES)
def test_percentiles_are_numpys(times: list[float]) -> None:
    summary = Summary.of(times)
    assert summary is not None
    expected = np.percentile(times, [50, 95, 99])
    assert [summary.p50, summary.p95, summary.p99] == pytest.approx(expected.tolist(), rel=1e-12, abs=1e-9)
    assert summary.mean == pytest.approx(np.mean(times), rel=1e-12, abs=1e-9)
    assert (summary.n, summary.min, summary.max) == (len(times), min(times), max(times))
    if len(times) > 1:
        assert summary.std == pytest.approx(np.std(times, ddof=1), rel=1e-9, abs=1e-6)


def test_one_sample_has_no_spread() -> None:
    summary = Summary.of([3.0])
    assert summary is not None
    assert (summary.std, summary.p50, summary.p99) == (None, 3.0, 3.0)


def test_no_samples() -> None:
    assert Summary.of([]) is None
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)
