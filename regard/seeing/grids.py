"""Which token stands for which part of the picture."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import RegardError

_MOST_PREFIX = 16  # class, distillation and register tokens before the patches


class Grid(NamedTuple):
    """Tokens as a grid of patches, row by row, behind some that stand for no patch.

    Args:
        prefix: tokens before the patches, such as a class token.
        height, width: patches down and across.
    """

    prefix: int
    height: int
    width: int


def grid_of(tokens: int, frame: tuple[int, int]) -> Grid:
    """How many of the tokens come first, and how the rest lies on a picture.

    The patches of a picture are square, so their grid has its aspect ratio; the fewest tokens
    before them that leave such a grid are taken.

    Args:
        tokens: N.
        frame: height and width of the picture.

    Raises:
        RegardError: where no grid of this aspect ratio fits.
    """
    found = find_grid(tokens, frame)
    if found is None:
        raise RegardError(
            f"{tokens} tokens make no grid of patches on a picture of {frame[0]}×{frame[1]}; "
            f"one of its aspect ratio, behind at most {_MOST_PREFIX} other tokens, would work"
        )
    return found


def find_grid(tokens: int, frame: tuple[int, int]) -> Grid | None:
    """As :func:`grid_of`; None where there is no grid."""
    height, width = frame
    for prefix in range(min(_MOST_PREFIX, tokens - 4) + 1):
        patches = tokens - prefix
        down = round((patches * height / width) ** 0.5)
        if down and patches % down == 0 and down * width == (patches // down) * height:
            return Grid(prefix, down, patches // down)
    return None
