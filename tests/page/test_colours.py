from __future__ import annotations

import numpy as np
import pytest

from regard.page.colours import viridis


@pytest.mark.parametrize(
    ("part", "published"),
    [(0, "440154"), (0.25, "3b528b"), (0.5, "21918c"), (0.75, "5ec962"), (1, "fde725")],
)
def test_viridis_is_where_it_was_published(part, published):
    expected = np.array([int(published[k : k + 2], 16) for k in (0, 2, 4)])
    assert np.abs(viridis(np.array(part)).astype(int) - expected).max() <= 4


def test_more_always_looks_lighter():
    linear = (viridis(np.linspace(0, 1, 101)) / 255.0) ** 2.2
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > 0).all()


def test_shape_and_clipping():
    parts = np.array([[-1.0, 0.0], [1.0, 2.0]])
    colours = viridis(parts)
    assert colours.shape == (2, 2, 3)
    assert (colours[0, 0] == colours[0, 1]).all()
    assert (colours[1, 0] == colours[1, 1]).all()
