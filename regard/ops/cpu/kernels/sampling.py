"""The affine grid and the bilinear sampler of the Spatial Transformer, without a grid in memory.

A row of the output is one task. Where its pixels come from is computed once for all channels;
pixels whose four neighbours all lie in the frame go the quick way, those at the frame's border the
careful one, and those outside are zero.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, njit

from ..kernel import MOST_ARGUMENTS, Kernel
from .memory import floats

F = np.float32
W = np.int32


@njit(inline="always")
def _unit(index, out):
    """The place of an output pixel, from -1 to 1."""
    middle = F(out - 1) * F(0.5)
    return (F(index) - middle) / max(middle, F(0.5))


@njit(inline="always")
def _place(index, out, size):
    """The same in pixels of the input; whole where the sizes are equal."""
    return F(index) if out == size else (_unit(index, out) + F(1)) * (F(size - 1) * F(0.5))


@njit(inline="always")
def _locate(theta, y, frame, out, columns, rows):
    """Column and row, in pixels of the input, of every pixel of an output row."""
    height, width = frame
    below, across = F(height - 1) * F(0.5), F(width - 1) * F(0.5)
    down, row = _unit(y, out[0]), _place(y, out[0], height)
    shift_x = theta[1] * down + theta[2]
    shift_y = (theta[4] - F(1)) * down + theta[5]
    for j in range(out[1]):
        x = _unit(j, out[1])
        columns[j] = _place(j, out[1], width) + ((theta[0] - F(1)) * x + shift_x) * across
        rows[j] = row + (theta[3] * x + shift_y) * below


@njit(inline="always")
def _ranges(columns, rows, frame, out):
    """Where an output row begins and ends to touch the frame, and to lie in it wholly."""
    height, width = F(frame[0]), F(frame[1])
    begin, end = 0, out
    while begin < end and _outside(columns[begin], rows[begin], height, width):
        begin += 1
    while end > begin and _outside(columns[end - 1], rows[end - 1], height, width):
        end -= 1
    first = begin
    while first < end and not _inside(columns[first], rows[first], height, width):
        first += 1
    last = first
    while last < end and _inside(columns[last], rows[last], height, width):
        last += 1
    return begin, end, first, last


@njit(inline="always")
def _outside(column, row, height, width):
    """No neighbour lies in the frame. What is not a number is not outside: it must be seen."""
    return column <= F(-1) or column >= width or row <= F(-1) or row >= height


@njit(inline="always")
def _inside(column, row, height, width):
    """All four neighbours lie in the frame."""
    right, low = width - F(1), height - F(1)
    return column >= F(0) and column < right and row >= F(0) and row < low


@njit(inline="always")
def _tap(image, row, column, height, width):
    if row < 0 or row >= height or column < 0 or column >= width:
        return F(0)
    return image[row * width + column]


@njit(inline="always")
def _between(image, row, column, height, width):
    """Four neighbours and how far between them; at an infinite distance there are none."""
    if not (np.isfinite(row) and np.isfinite(column)):
        nan = F(np.nan)
        return F(0), F(0), F(0), F(0), nan, nan
    top, left = W(math.floor(row)), W(math.floor(column))
    return (
        _tap(image, top, left, height, width),
        _tap(image, top, left + 1, height, width),
        _tap(image, top + 1, left, height, width),
        _tap(image, top + 1, left + 1, height, width),
        column - F(left),
        row - F(top),
    )


@njit(inline="always")
def _split(columns, rows, first, last, width, index, across, down):
    """Whole and broken parts of the places of an output row."""
    for j in range(first, last):
        left, top = W(columns[j]), W(rows[j])
        across[j], down[j] = columns[j] - F(left), rows[j] - F(top)
        index[j] = top * W(width) + left


@Kernel
def warp_affine(arguments, start, stop):
    """x [B, C, H, W], theta [B, 6], y [B, C, *out], B, C, H, W, out height, out width; a task is a
    row of the output of a sample."""
    a = carray(arguments, (MOST_ARGUMENTS,))
    samples, channels, height, width, tall, wide = a[3], a[4], a[5], a[6], a[7], a[8]
    x, theta = floats(a[0], (samples, channels, height * width)), floats(a[1], (samples, 6))
    y = floats(a[2], (samples, channels, tall, wide))
    columns, rows = np.empty(wide, np.float32), np.empty(wide, np.float32)
    across, down = np.empty(wide, np.float32), np.empty(wide, np.float32)
    index, step = np.empty(wide, np.int32), W(width)
    for task in range(start, stop):
        sample, line = task // tall, task % tall
        _locate(theta[sample], line, (height, width), (tall, wide), columns, rows)
        begin, end, first, last = _ranges(columns, rows, (height, width), wide)
        _split(columns, rows, first, last, width, index, across, down)
        for channel in range(channels):
            image, made = x[sample, channel], y[sample, channel, line]
            made[:begin] = F(0)
            made[end:] = F(0)
            for j in range(begin, end):
                if j < first or j >= last:
                    p, q, r, s, u, v = _between(image, rows[j], columns[j], height, width)
                    above = p + u * (q - p)
                    made[j] = above + v * (r + u * (s - r) - above)
            for j in range(first, last):
                k, u, v = index[j], across[j], down[j]
                p, q, r, s = image[k], image[k + W(1)], image[k + step], image[k + step + W(1)]
                above = p + u * (q - p)
                made[j] = above + v * (r + u * (s - r) - above)


@njit(inline="always")
def _give(image, row, column, height, width, value):
    if 0 <= row < height and 0 <= column < width:
        image[row * width + column] += value


@njit(inline="always")
def _careful_gradient(image, made, row, column, height, width, above):
    """At the border: to the neighbours there are, and of the place; NaN where the place is."""
    p, q, r, s, u, v = _between(image, row, column, height, width)
    if len(made) > 0 and np.isfinite(u):
        top, left = W(math.floor(row)), W(math.floor(column))
        _give(made, top, left, height, width, above * (F(1) - u) * (F(1) - v))
        _give(made, top, left + 1, height, width, above * u * (F(1) - v))
        _give(made, top + 1, left, height, width, above * (F(1) - u) * v)
        _give(made, top + 1, left + 1, height, width, above * u * v)
    slope = (q - p) + v * ((s - r) - (q - p))
    return above * slope, above * ((r - p) + u * ((s - r) - (q - p)))


@njit(inline="always")
def _gradient_of_theta(total, line, frame, out, begin, end, along, beside):
    """Add what an output row's gradients of columns and rows send to the six numbers."""
    height, width = frame
    below, across = F(height - 1) * F(0.5), F(width - 1) * F(0.5)
    x_sum, y_sum, x_moment, y_moment = F(0), F(0), F(0), F(0)
    for j in range(begin, end):
        x = _unit(j, out[1])
        x_sum += along[j]
        y_sum += beside[j]
        x_moment += along[j] * x
        y_moment += beside[j] * x
    y = _unit(line, out[0])
    total[0] += across * x_moment
    total[1] += across * x_sum * y
    total[2] += across * x_sum
    total[3] += below * y_moment
    total[4] += below * y_sum * y
    total[5] += below * y_sum


@njit(inline="always")
def _quick_gradient(image, made, above, split, first, last, step, along, beside):
    """The same where all neighbours lie in the frame."""
    index, across, down = split
    for j in range(first, last):
        k, u, v = index[j], across[j], down[j]
        p, q, r, s = image[k], image[k + W(1)], image[k + step], image[k + step + W(1)]
        turn = (s - r) - (q - p)
        along[j] += above[j] * ((q - p) + v * turn)
        beside[j] += above[j] * ((r - p) + u * turn)
    if len(made) > 0:
        for j in range(first, last):
            k, low = index[j], above[j] * down[j]
            high = above[j] - low
            made[k] += high - high * across[j]
            made[k + W(1)] += high * across[j]
            made[k + step] += low - low * across[j]
            made[k + step + W(1)] += low * across[j]


@Kernel
def warp_affine_backward(arguments, start, stop):
    """x, theta, dy, dx [B, C, H, W] (zeros) or 0, d theta [parts, B, 6], B, C, H, W, out height,
    out width, parts; a task is a part of the channels of a sample."""
    a = carray(arguments, (MOST_ARGUMENTS,))
    samples, channels, height, width, tall, wide, parts = a[5], a[6], a[7], a[8], a[9], a[10], a[11]
    x, theta = floats(a[0], (samples, channels, height * width)), floats(a[1], (samples, 6))
    dy = floats(a[2], (samples, channels, tall, wide))
    dx = floats(a[3], (samples, channels, height * width if a[3] != 0 else 0))
    d_theta, total = floats(a[4], (parts, samples, 6)), np.zeros(6, np.float64)
    columns, rows = np.empty(wide, np.float32), np.empty(wide, np.float32)
    across, down = np.empty(wide, np.float32), np.empty(wide, np.float32)
    along, beside = np.empty(wide, np.float32), np.empty(wide, np.float32)
    split, frame, out = (np.empty(wide, np.int32), across, down), (height, width), (tall, wide)
    for task in range(start, stop):
        sample, part = task // parts, task % parts
        total[:] = 0.0
        for line in range(tall):
            _locate(theta[sample], line, frame, out, columns, rows)
            begin, end, first, last = _ranges(columns, rows, frame, wide)
            _split(columns, rows, first, last, width, split[0], across, down)
            along[begin:end] = F(0)
            beside[begin:end] = F(0)
            for channel in range(channels * part // parts, channels * (part + 1) // parts):
                image, above = x[sample, channel], dy[sample, channel, line]
                made = dx[sample, channel]
                for j in range(begin, end):
                    if j < first or j >= last:
                        gx, gy = _careful_gradient(
                            image, made, rows[j], columns[j], height, width, above[j]
                        )
                        along[j] += gx
                        beside[j] += gy
                _quick_gradient(image, made, above, split, first, last, W(width), along, beside)
            _gradient_of_theta(total, line, frame, out, begin, end, along, beside)
        for i in range(6):
            d_theta[part, sample, i] = F(total[i])
