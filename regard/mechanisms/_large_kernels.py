"""What large-kernel attentions share: their initial values, and a gate of one."""

from __future__ import annotations

import math

from torch import nn

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


def fan_out(*convolutions: Convolution) -> None:
    """He's values by fan-out: normal, variance 2 / (taps · outputs / groups), zero biases."""
    for convolution in convolutions:
        taps = math.prod(convolution.kernel_size)
        outputs = taps * convolution.out_channels // convolution.groups
        nn.init.normal_(convolution.weight, 0.0, math.sqrt(2.0 / outputs))
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)


def one(convolution: Convolution) -> None:
    """Make a layer give one whatever comes: a gate without σ then begins as the identity."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.ones_(convolution.bias)
