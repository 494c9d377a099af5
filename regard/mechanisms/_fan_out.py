"""The initial values of large-kernel networks: He's, by what a weight feeds into."""

from __future__ import annotations

import math

from torch import nn


def fan_out(*convolutions: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
    """Normal weights of variance 2 / (taps · outputs / groups), zero biases."""
    for convolution in convolutions:
        taps = math.prod(convolution.kernel_size)
        outputs = taps * convolution.out_channels // convolution.groups
        nn.init.normal_(convolution.weight, 0.0, math.sqrt(2.0 / outputs))
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
