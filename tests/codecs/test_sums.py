"""The compiled sums over two runs of values against NumPy's, at every level of instructions that this machine has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs.native import Sums, compiled, sums

Values = NDArray[Any]
LEVELS = {"best": 0, "AVX2 at most": 1, "portable": 2}


@pytest.fixture(params=LEVELS, autouse=True)
def level(request: pytest.FixtureRequest) -> int:
    if compiled() is None:
        pytest.skip("the kernels are not built: run hub/codecs/native/_build.py where a C++ compiler is")
    return LEVELS[request.param]


def numpys(a: Values, b: Values) -> Sums:
    odd = np.flatnonzero(a.view(np.uint32) != b.view(np.uint32))
    x, y = a.astype(np.float64), b.astype(np.float64)
    gap = y - x
    most = float(np.abs(gap).max(initial=0.0))
    first = int(odd[0]) if odd.size else -1
    return Sums(odd.size, first, most, float(gap @ gap), float(x @ x), float(y @ y), float(x @ y))


@pytest.mark.parametrize("size", [0, 1, 3, 15, 16, 17, 1000, 4099])
@pytest.mark.parametrize("scale", [1.0, 1e-42, 1e37])
def test_figures_are_numpys(level: int, size: int, scale: float) -> None:
    random = np.random.default_rng(size)
    a = (random.normal(size=size) * scale).astype(np.float32)
    b = a.copy()
    b[size // 3 :: 7] *= np.float32(1.01)
    seen = sums(a, b, level)
    assert seen is not None
    wanted = numpys(a, b)
    assert seen[:3] == wanted[:3]
    assert seen == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1e-9, 1e-4, 0.5, 3.0, 1e6])
def test_a_scaled_copy_keeps_every_digit(level: int, factor: float) -> None:
    a = np.random.default_rng(3).normal(size=4099).astype(np.float32)
    b = a * np.float32(factor)
    assert sums(a, b, level) == pytest.approx(numpys(a, b), rel=1e-12)


@pytest.mark.parametrize("place", [0, 100, 4000])
def test_what_float32_cannot_sum_up_is_summed_up_all_the_same(level: int, place: int) -> None:
    a, b = np.zeros((2, 4099), np.float32)
    a[place], b[place], b[place + 3] = -3e38, 3e38, 1e-42
    seen = sums(a, b, level)
    assert seen is not None
    wanted = numpys(a, b)
    assert wanted.most > float(np.finfo(np.float32).max)
    assert seen == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("place", [0, 15, 16, 63, 999, 1000])
@pytest.mark.parametrize("bit", [0, 22, 31])
def test_one_flipped_bit_is_found_where_it_is(level: int, place: int, bit: int) -> None:
    a = np.random.default_rng(1).normal(size=1001).astype(np.float32)
    b = a.copy()
    b.view(np.uint32)[place] ^= np.uint32(1 << bit)
    seen = sums(a, b, level)
    assert seen is not None
    assert (seen.different, seen.first) == (1, place)
    assert seen.most == abs(float(a[place]) - float(b[place]))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 500, 1000])
def test_what_is_not_finite_is_left_to_numpy(level: int, odd: float, place: int) -> None:
    a = np.zeros(1001, np.float32)
    b = a.copy()
    b[place] = odd
    assert sums(a, b, level) is None
    assert sums(b, a, level) is None


def test_other_types_and_layouts_are_left_to_numpy(level: int) -> None:
    a = np.zeros(10)
    assert sums(a, a, level) is None
    assert sums(a.astype(np.float32)[::2], a.astype(np.float32)[::2], level) is None
