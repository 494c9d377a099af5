"""Excitations of one sample or of a few: statistics → gates, as in ``regard.ops.excitation``."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..compiling import FAST
from .elementary import sigmoid

F = np.float32
TAPS = 8
"""Taps of a window that are added in one pass."""


@njit(fastmath=FAST, error_model="numpy")
def dot(one, other, start):
    """Inner product, added to ``start``."""
    total = start
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@njit(fastmath=FAST, error_model="numpy")
def gate_of(logits, top):
    """Logits → top · σ, in place."""
    for i in range(len(logits)):
        logits[i] = top * sigmoid(logits[i])


@njit(fastmath=FAST, error_model="numpy")
def bottleneck(pooled, reduce, expand, top, hidden, gates):
    """Statistics ``[n, S, C]`` → gates ``[n, C]``; a weight is read once for all samples.

    ``reduce`` and ``expand`` are each (weights, biases), without biases an empty array.
    """
    samples, kinds, channels = pooled.shape
    weights, biases = reduce
    for h in range(hidden.shape[1]):
        bias = biases[h] if len(biases) > 0 else F(0)
        for n in range(samples):
            total = F(0)
            for s in range(kinds):
                value = dot(weights[h], pooled[n, s], bias)
                total += F(0) if value < F(0) else value
            hidden[n, h] = total
    weights, biases = expand
    for c in range(channels):
        bias = F(kinds) * biases[c] if len(biases) > 0 else F(0)
        for n in range(samples):
            gates[n, c] = dot(weights[c], hidden[n], bias)
    for n in range(samples):
        gate_of(gates[n], top)


@njit(fastmath=FAST, error_model="numpy")
def neighbours(pooled, taps, ring, top, gates):
    """Means ``[n, 1, C]`` and taps ``[k]`` → gates ``[n, C]``, the channels in a ring or a row."""
    channels, reach = gates.shape[1], len(taps) // 2
    for n in range(len(gates)):
        gate, mean = gates[n], pooled[n, 0]
        gate[:] = F(0)
        for t in range(len(taps)):
            shift = t - reach
            first, last = max(0, -shift), min(channels, channels - shift)
            for c in range(first, last):
                gate[c] += taps[t] * mean[c + shift]
            if ring:
                for c in range(first):
                    gate[c] += taps[t] * mean[c + shift + channels]
                for c in range(last, channels):
                    gate[c] += taps[t] * mean[c + shift - channels]
        gate_of(gate, top)


@njit(fastmath=FAST, error_model="numpy")
def placed_taps(weights, stride, plane):
    """The taps ``[S, kh, kw]`` of a window in one row, and how far each looks in a padded map."""
    kinds, high, wide = weights.shape
    taps, offsets = np.empty(weights.size, np.float32), np.empty(weights.size, np.int64)
    t = 0
    for s in range(kinds):
        for i in range(high):
            for j in range(wide):
                taps[t], offsets[t] = weights[s, i, j], s * plane + i * stride + j
                t += 1
    return taps, offsets


@njit(fastmath=FAST, error_model="numpy")
def _add_taps(sums, padded, taps, offsets):
    """One pass over all positions, lines and their padding in one row."""
    w0, w1, w2, w3, w4, w5, w6, w7 = (
        taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7],
    )  # fmt: skip
    size = len(sums)
    p0, p1 = padded[offsets[0] :][:size], padded[offsets[1] :][:size]
    p2, p3 = padded[offsets[2] :][:size], padded[offsets[3] :][:size]
    p4, p5 = padded[offsets[4] :][:size], padded[offsets[5] :][:size]
    p6, p7 = padded[offsets[6] :][:size], padded[offsets[7] :][:size]
    for i in range(size):
        low = (p0[i] * w0 + p1[i] * w1) + (p2[i] * w2 + p3[i] * w3)
        high = (p4[i] * w4 + p5[i] * w5) + (p6[i] * w6 + p7[i] * w7)
        sums[i] += low + high


@njit(fastmath=FAST, error_model="numpy")
def window(maps, weights, scaled, padded, sums, gate):
    """Statistics ``[S, H, W]``, taps ``[S, kh, kw]`` → gate ``[H, W]``.

    Args:
        scaled: scale and shift of the convolution's result, and the top of the gate.
        padded: room for the padded maps in one row and kw - 1 more, zeros around the maps.
        sums: room for H lines of them.
    """
    kinds, height, width = maps.shape
    _, high, wide = weights.shape
    stride = width + wide - 1
    plane = (height + high - 1) * stride
    for s in range(kinds):
        for i in range(height):
            start = s * plane + (i + high // 2) * stride + wide // 2
            padded[start : start + width] = maps[s, i]
    taps, offsets = placed_taps(weights, stride, plane)
    sums[:] = F(0)
    whole = len(taps) // TAPS * TAPS
    for t in range(0, whole, TAPS):
        _add_taps(sums, padded, taps[t : t + TAPS], offsets[t : t + TAPS])
    for t in range(whole, len(taps)):
        seen = padded[offsets[t] :][: len(sums)]
        for i in range(len(sums)):
            sums[i] += seen[i] * taps[t]
    scale, shift, top = scaled
    for i in range(height):
        line = sums[i * stride : i * stride + width]
        for j in range(width):
            gate[i, j] = line[j] * scale + shift
        gate_of(gate[i], top)
