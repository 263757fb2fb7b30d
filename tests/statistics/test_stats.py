from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub import codecs
from hub.errors import UnsupportedFile
from hub.ir import ENCODINGS, Tensor
from hub.statistics import scan, scan_all

MakeTensor = Callable[[str, NDArray[Any]], Tensor]


def random(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_statistics_are_those_of_all_values_over_several_pieces(tensor: MakeTensor) -> None:
    values = random(3000, 200)
    values[5, 7] = 0
    stats = scan(tensor("w", values)).stats
    wide = values.astype(np.float64)
    assert (stats.min, stats.max) == (wide.min(), wide.max())
    assert stats.mean == pytest.approx(wide.mean(), rel=1e-9)
    assert stats.std == pytest.approx(wide.std(), rel=1e-12)
    assert stats.l2 == pytest.approx(np.linalg.norm(wide), rel=1e-12)
    assert (stats.zeros, stats.nan, stats.inf) == (1, 0, 0)


def test_a_small_spread_around_a_large_mean_survives(tensor: MakeTensor) -> None:
    values = (random(2000, 200) + 2**20).astype(np.float32)
    stats = scan(tensor("w", values)).stats
    assert stats.std == pytest.approx(values.astype(np.float64).std(), rel=1e-9)


def test_nan_and_inf_are_counted_and_left_out_of_the_rest(tensor: MakeTensor) -> None:
    values = random(100, 10)
    values[3, 4], values[50, 1], values[60, 2] = np.nan, np.inf, -np.inf
    totals = scan(tensor("w", values))
    good = values[np.isfinite(values)].astype(np.float64)
    assert (totals.nan, totals.inf, totals.first_bad) == (1, 2, 34)
    assert totals.stats.max == good.max()
    assert totals.stats.mean == pytest.approx(good.mean())


def test_only_nan_has_no_mean(tensor: MakeTensor) -> None:
    stats = scan(tensor("w", np.full((4, 4), np.nan))).stats
    assert (stats.min, stats.mean, stats.l2, stats.nan) == (None, None, None, 16)


def test_rows_of_zeros_are_found_across_pieces(tensor: MakeTensor) -> None:
    values = random(5000, 100)
    dead = [0, 2621, 2622, 4999]
    values[dead] = 0
    totals = scan(tensor("w", values))
    assert totals.dead == dead
    assert totals.dead_rows == 4


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (4, 0), (1,), (7,), (2, 3, 4)])
def test_every_shape_is_counted_once(tensor: MakeTensor, shape: tuple[int, ...]) -> None:
    totals = scan(tensor("w", np.ones(shape)))
    assert totals.finite == totals.size == int(np.prod(shape))


def test_every_encoding_gives_the_statistics_of_its_own_values(encoding: str) -> None:
    kind = ENCODINGS[encoding]
    data = codecs.encode(kind, random(64, 64))
    tensor = Tensor.from_bytes("w", (64, 64), kind, data)
    values = codecs.values(tensor, 0, 64).astype(np.float64)
    stats = scan(tensor).stats
    assert (stats.min, stats.max) == (values.min(), values.max())
    assert stats.std == pytest.approx(values.std())


def test_what_cannot_be_decoded_says_so_and_the_rest_goes_on(tensor: MakeTensor) -> None:
    opaque = Tensor.from_bytes("c", (2,), ENCODINGS["C64"], bytes(16))
    first, second = scan_all([opaque, tensor("w", random(4, 4))])
    assert isinstance(first[1], UnsupportedFile)
    assert second[0].name == "w"
    assert not isinstance(second[1], Exception)
