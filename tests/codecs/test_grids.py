"""The lattices of the IQ types are ggml's."""

import gguf.quants
import numpy as np
import pytest

from hub.codecs._grids import grid

NAMES = ["IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]


@pytest.mark.parametrize("name", NAMES)
def test_every_point(name: str) -> None:
    theirs = getattr(gguf.quants, name)
    theirs.init_grid()
    assert np.array_equal(grid(name), theirs.grid.reshape(theirs.grid_shape))


@pytest.mark.parametrize("name", NAMES)
def test_points_differ(name: str) -> None:
    points = grid(name)
    assert len(np.unique(points, axis=0)) == len(points)
