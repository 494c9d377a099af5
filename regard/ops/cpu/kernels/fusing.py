"""A whole gating without gradients, a few samples at a time, while they lie in the cache.

The reductions and the product are the kernels that there are already, called by their addresses.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from ..compiling import FAST
from ..kernel import MOST_ARGUMENTS, Kernel
from .exciting import bottleneck, neighbours, window
from .memory import floats, from_bits
from .splitting import call

F = np.float32
BYTES = 4
X, Y, ROWS, INNER, LAST, SAMPLES, MOST = range(7)
"""Words of the arguments: map, result, their blocks, channels last, samples in all and at once."""
BY_SPACE, BY_CHANNELS, PRODUCT, WIDTH_OF_SPACE, WIDTH_OF_CHANNELS = range(7, 12)
"""Addresses of the kernels that squeeze over space, over channels (0: no such step) and multiply;
columns in a task of the two, 0 where a task is a row."""
REDUCE, REDUCE_BIAS, EXPAND, EXPAND_BIAS, UNITS, TAPS, RING, KINDS, TOP = range(12, 21)
"""The layers over channels: two dense ones of so many hidden units, or taps along the channels, in
a ring or not; statistics."""
WEIGHTS, HIGH, WIDE, WIDTH, MEAN, SCALE, SHIFT, SPATIAL_TOP = range(21, 29)
"""The window over space: its size, width of the map, place of the mean, and what follows it."""


@njit(fastmath=FAST, error_model="numpy")
def _reduce(job, entry, x, gate, mean, top, rows, inner, width):
    """Call a kernel of ``reducing`` for one sample; a task is a row, or ``width`` columns."""
    job[0], job[1], job[2], job[3] = x, gate, mean, top
    job[4] = job[5] = 0
    job[6], job[7], job[8] = rows, inner, width
    call(entry, job.ctypes.data, 0, rows if width == 0 else (inner + width - 1) // width)


@njit(fastmath=FAST, error_model="numpy")
def _multiply(job, entry, x, y, row, along, rows, inner):
    """Call a kernel of ``multiplying`` for one sample."""
    job[0], job[1], job[2], job[3], job[4], job[5] = x, y, row, along, rows, inner
    call(entry, job.ctypes.data, 0, rows)


@njit(inline="always")
def _number(word):
    """The float32 whose bits a word holds."""
    return from_bits(np.int32(word))


@njit(fastmath=FAST, error_model="numpy")
def _over_channels(a, job, first, pooled, hidden, gates):
    """Squeeze some samples over space and excite their gates ``[n, C]``."""
    channels, units, sample = gates.shape[1], a[UNITS], BYTES * a[ROWS] * a[INNER]
    for n in range(len(gates)):
        x, mean, top = a[X] + (first + n) * sample, pooled[n, 0], pooled[n, -1]
        _reduce(
            job, a[BY_SPACE], x, 0, mean.ctypes.data, top.ctypes.data,
            a[ROWS], a[INNER], a[WIDTH_OF_SPACE],
        )  # fmt: skip
    if units > 0:
        biases = floats(a[REDUCE_BIAS], (units if a[REDUCE_BIAS] else 0,))
        reduce = (floats(a[REDUCE], (units, channels)), biases)
        biases = floats(a[EXPAND_BIAS], (channels if a[EXPAND_BIAS] else 0,))
        expand = (floats(a[EXPAND], (channels, units)), biases)
        bottleneck(pooled, reduce, expand, _number(a[TOP]), hidden, gates)
    else:
        taps = floats(a[REDUCE], (a[TAPS],))
        neighbours(pooled, taps, a[RING] != 0, _number(a[TOP]), gates)


@njit(fastmath=FAST, error_model="numpy")
def _over_space(a, job, x, given, maps, padded, sums, gate):
    """Squeeze a sample, times its gate over channels, over them and excite its gate over space."""
    mean, top = maps[a[MEAN]], maps[1 - a[MEAN]]
    _reduce(
        job, a[BY_CHANNELS], x, given, mean.ctypes.data, top.ctypes.data,
        a[ROWS], a[INNER], a[WIDTH_OF_CHANNELS],
    )  # fmt: skip
    weights = floats(a[WEIGHTS], (len(maps), a[HIGH], a[WIDE]))
    scaled = (_number(a[SCALE]), _number(a[SHIFT]), _number(a[SPATIAL_TOP]))
    window(maps, weights, scaled, padded, sums, gate)


@Kernel
def gate_samples(arguments, start, stop):
    """A task is some samples; the words above name the arguments."""
    a = carray(arguments, (MOST_ARGUMENTS,))
    rows, inner, last, most = a[ROWS], a[INNER], a[LAST], a[MOST]
    channels, pixels = (inner, rows) if last else (rows, inner)
    width, high, wide = max(1, a[WIDTH]), max(1, a[HIGH]), max(1, a[WIDE])
    height, stride = pixels // width, width + wide - 1
    pooled = np.zeros((most, max(1, a[KINDS]), channels), np.float32)
    hidden, gates = np.empty((most, a[UNITS]), np.float32), np.empty((most, channels), np.float32)
    maps, spatial = np.empty((2, height, width), np.float32), np.empty((height, width), np.float32)
    padded = np.zeros(2 * (height + high - 1) * stride + wide, np.float32)
    sums = np.empty(height * stride, np.float32)
    job = np.zeros(MOST_ARGUMENTS, np.int64)  # of the kernels that are called; it outlives them all
    for task in range(start, stop):
        first = task * most
        count = min(most, a[SAMPLES] - first)
        if a[BY_SPACE]:
            _over_channels(a, job, first, pooled[:count], hidden[:count], gates[:count])
        for n in range(count):
            at = BYTES * rows * inner * (first + n)
            channel = gates[n].ctypes.data if a[BY_SPACE] else 0
            space = spatial.ctypes.data if a[BY_CHANNELS] else 0
            if a[BY_CHANNELS]:
                _over_space(a, job, a[X] + at, channel, maps, padded, sums, spatial)
            row, along = (space, channel) if last else (channel, space)
            _multiply(job, a[PRODUCT], a[X] + at, a[Y] + at, row, along, rows, inner)
