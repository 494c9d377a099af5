import pytest

from regard import RegardError
from regard.seeing.grids import find_grid, grid_of


@pytest.mark.parametrize(
    ("tokens", "frame", "grid"),
    [
        (197, (224, 224), (1, 14, 14)),
        (198, (224, 224), (2, 14, 14)),
        (49, (224, 224), (0, 7, 7)),
        (201, (224, 224), (5, 14, 14)),
        (33, (64, 128), (1, 4, 8)),
        (18, (96, 48), (0, 6, 3)),
    ],
)
def test_the_patches_have_the_aspect_ratio_of_the_picture(tokens, frame, grid):
    assert grid_of(tokens, frame) == grid


def test_what_makes_no_grid_is_none_or_an_error():
    assert find_grid(3, (32, 32)) is None
    with pytest.raises(RegardError, match="47 tokens make no grid"):
        grid_of(47, (7, 100))
