"""The sequential colour scale: viridis, even in lightness, so that more always looks like more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Ten colours at even steps of viridis (Smith and van der Walt, 2015; public domain), joined by
# straight lines in RGB.
_STOPS = np.array(
    [
        (0x44, 0x01, 0x54),
        (0x48, 0x28, 0x78),
        (0x3E, 0x49, 0x89),
        (0x31, 0x68, 0x8E),
        (0x26, 0x82, 0x8E),
        (0x1F, 0x9E, 0x89),
        (0x35, 0xB7, 0x79),
        (0x6E, 0xCE, 0x58),
        (0xB5, 0xDE, 0x2B),
        (0xFD, 0xE7, 0x25),
    ],
    dtype=float,
)


def viridis(parts: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Numbers in [0, 1], of any shape ``[...]`` → colours ``[..., 3]``; outside is clipped."""
    positions = np.linspace(0.0, 1.0, len(_STOPS))
    channels = [np.interp(parts, positions, _STOPS[:, k]) for k in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
