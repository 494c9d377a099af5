"""Rotation, scale and shift of small grey images, as in the Spatial Transformer's RTS task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIDE = 18 / 32  # side of the enlarged image at scale 1, as a share of the canvas
BATCH = 256  # images warped at a time: the work arrays stay in the cache

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Distortions:
    """How each of N images is put on its canvas.

    Args:
        angle: ``[N]``, degrees, counter-clockwise.
        scale: ``[N]``, 1 is a side of 18/32 of the canvas.
        shift: ``[N, 2]``, right and down from the middle, in shares of the canvas.
    """

    angle: Floats
    scale: Floats
    shift: Floats


def draw_distortions(
    bits: np.random.PCG64, count: int, *, rotation: float, scale: tuple[float, float], shift: float
) -> Distortions:
    """Draw uniformly: the angle in ±rotation, the scale in its range, the shift in its room.

    The room is what the turned and scaled square leaves free on either side of the canvas; the
    shift takes at most the share ``shift`` of it, so the whole square stays on the canvas.

    The first n of a longer draw are the draw of n.
    """
    raw = bits.random_raw(count * 4).reshape(count, 4)
    uniform: Floats = (raw >> np.uint64(11)).astype(np.float64) / 2.0**53
    angle = (2 * uniform[:, 0] - 1) * rotation
    factor = scale[0] + uniform[:, 1] * (scale[1] - scale[0])
    room = (1 - extent(angle, factor)) / 2
    return Distortions(angle, factor, (2 * uniform[:, 2:] - 1) * (shift * room)[:, None])


def extent(angle: Floats, scale: Floats) -> Floats:
    """Side of the upright square around the turned square, in shares of the canvas."""
    cosine, sine = _cosine_sine(angle)
    return SIDE * scale * (np.abs(cosine) + np.abs(sine))


def warp(
    images: npt.NDArray[np.uint8], source: npt.NDArray[np.int64], how: Distortions, canvas: int
) -> npt.NDArray[np.uint8]:
    """Put ``images[source[n]]``, distorted, on the n-th canvas, in one bilinear step.

    Args:
        images: ``[M, S, S]`` with values 0 to 16.
        source: ``[N]``, indices into ``images``.
        how: N distortions.
        canvas: side in pixels.

    Returns:
        uint8 ``[N, canvas, canvas]``, 16 turned to 255; outside the image is 0.
    """
    out = np.empty((len(source), canvas, canvas), np.uint8)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    for start in range(0, len(source), BATCH):
        part = slice(start, start + BATCH)
        x, y = _positions(how, part, images.shape[-1], canvas)
        value = _interpolate(padded[source[part]], x, y)
        np.rint(value * np.float32(255 / 16), out=value)
        out[part] = value
    return out


def _positions(
    how: Distortions, part: slice, side: int, canvas: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where each canvas pixel lies on the padded image: x and y, ``[n, canvas, canvas]``."""
    cosine, sine = _cosine_sine(how.angle[part])
    pixels = side / (SIDE * how.scale[part])[:, None]
    centre = (np.arange(canvas) + 0.5) / canvas - 0.5
    right = (centre - how.shift[part, :1]) * pixels
    down = (centre - how.shift[part, 1:]) * pixels
    cosine, sine, middle = cosine[:, None], sine[:, None], (side + 1) / 2
    x = (right * cosine + middle)[:, None, :] - (down * sine)[:, :, None]
    y = (right * sine + middle)[:, None, :] + (down * cosine)[:, :, None]
    return x.astype(np.float32), y.astype(np.float32)


def _interpolate(
    padded: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    side = padded.shape[-1]
    np.clip(x, 0, side - 1, out=x)
    np.clip(y, 0, side - 1, out=y)
    left = np.minimum(x.astype(np.int32), side - 2)
    top = np.minimum(y.astype(np.int32), side - 2)
    x, y = x - left.astype(np.float32), y - top.astype(np.float32)
    first = np.arange(len(padded), dtype=np.int32)[:, None, None] * (side * side)
    at = first + top * side + left
    flat = padded.ravel()
    above = flat[at] * (1 - x) + flat[at + 1] * x
    below = flat[at + side] * (1 - x) + flat[at + side + 1] * x
    return above * (1 - y) + below * y


def _cosine_sine(angle: Floats) -> tuple[Floats, Floats]:
    """Rounded, since the last bits of cosine and sine differ from machine to machine."""
    radians = angle * (np.pi / 180)
    return np.cos(radians).round(6), np.sin(radians).round(6)
