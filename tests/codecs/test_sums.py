"""The compiled sums over two runs of values against NumPy's, at every level of instructions that this machine has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs.native import Sums, compiled, sums

Values = NDArray[Any]
SIX_DIGITS = 1e-6
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


def assert_agree(seen: Sums | None, wanted: Sums) -> None:
    """What differs, and where, exactly; the largest difference as float32 has it; sums in six digits."""
    assert seen is not None
    assert seen[:2] == wanted[:2]
    assert seen.most == pytest.approx(wanted.most, rel=2**-23, abs=0)
    assert seen[3:6] == pytest.approx(wanted[3:6], rel=SIX_DIGITS, abs=0)
    assert seen.ab == pytest.approx(wanted.ab, abs=SIX_DIGITS * np.sqrt(wanted.aa) * np.sqrt(wanted.bb))


@pytest.mark.parametrize("size", [0, 1, 3, 15, 16, 17, 1000, 4099])
@pytest.mark.parametrize("scale", [1.0, 1e-42, 1e37])
def test_figures_are_numpys(level: int, size: int, scale: float) -> None:
    random = np.random.default_rng(size)
    a = (random.normal(size=size) * scale).astype(np.float32)
    b = a.copy()
    b[size // 3 :: 7] *= np.float32(1.01)
    assert_agree(sums(a, b, level), numpys(a, b))


@pytest.mark.parametrize(
    "factor", [-1.0, 0.0, 1e-25, 1e-19, 1e-9, 1e-4, 0.49, 0.5, 0.51, 1.49, 1.5, 1.51, 3.0, 1e6, 1e18]
)
def test_a_scaled_copy_lies_at_no_angle(level: int, factor: float) -> None:
    a = np.random.default_rng(3).normal(size=4099).astype(np.float32)
    b = a * np.float32(factor)
    seen = sums(a, b, level)
    assert_agree(seen, numpys(a, b))
    assert seen is not None
    assert seen.ab == pytest.approx(np.sign(factor) * np.sqrt(seen.aa) * np.sqrt(seen.bb), rel=SIX_DIGITS)


@pytest.mark.parametrize("bits", [6, 10, 16, 23])
def test_the_least_angle_is_right(level: int, bits: int) -> None:
    a = np.random.default_rng(bits).normal(size=1 << 16).astype(np.float32)
    b = a + a * np.random.default_rng(1).normal(size=a.size).astype(np.float32) * np.float32(2.0**-bits)
    x, y = a.astype(np.longdouble), b.astype(np.longdouble)
    wanted = 1 - (x @ y) / np.sqrt((x @ x) * (y @ y))
    seen = sums(a, b, level)
    assert seen is not None
    # 1e-15: the last digits of what float64 makes of a quotient near 1
    assert 1 - seen.ab / np.sqrt(seen.aa * seen.bb) == pytest.approx(float(wanted), rel=1e-5, abs=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_any_two_tensors_agree_with_numpys_figures(level: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, 3000)).astype(np.float32)
    b = a * np.float32(random.uniform(-2, 2)) + b * np.float32(10.0 ** random.uniform(-8, 2))
    a[:: int(random.integers(2, 50))] = 0
    b[: int(random.integers(0, 2000))] = 0
    assert_agree(sums(a, b, level), numpys(a, b))


@pytest.mark.parametrize("place", [0, 100, 4000])
def test_what_float32_cannot_sum_up_is_summed_up_all_the_same(level: int, place: int) -> None:
    a, b = np.zeros((2, 4099), np.float32)
    a[place], b[place], b[place + 3] = -3e38, 3e38, 1e-42
    seen = sums(a, b, level)
    assert seen is not None
    wanted = numpys(a, b)
    assert wanted.most > float(np.finfo(np.float32).max)
    assert seen == wanted


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
