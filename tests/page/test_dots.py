import numpy as np
import pytest

from regard import RegardError
from regard.page import points


def test_points_outside_are_counted_not_drawn():
    made = points(np.zeros((4, 6), np.uint8), [(1, 1), (5.5, 3), (-2, 0)], "sampled")
    assert made.count("<circle") == 2
    assert "1 of 3 points lie outside" in made
    with pytest.raises(RegardError, match="none came"):
        points(np.zeros((4, 6), np.uint8), [], "sampled")
