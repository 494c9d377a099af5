"""SmallResNet: our own residual network for small images, and its widened control.

Residual blocks as in He et al. 2015 (arXiv:1512.03385, figure 2 and section 3.3): addition before
the last ReLU, projection shortcuts where the shape changes, and the widths 16, 32, 64 of their
CIFAR networks.

Why this size: an epoch of 60,000 grey images of 28×28 with AdamW, batch 64, is to take less than
25 seconds on one core. The loop of ``benchmarks/small_epoch.py``, the networks by turns, the best
of 25 rounds (channels_last, float32, one core of an AMD EPYC with AVX2 at 2.45 GHz, torch 2.15,
November 2026; the same network took up to 25.7 s while others computed on the second core):

====================================  ============  ========  =======
network                               MACs at 32²   images/s  epoch
====================================  ============  ========  =======
stem 16 /2; 16, 32 /2, 64 /2 (this)   3.05 M        2,750     21.8 s
the same, last stage 80               3.47 M        2,600     23.1 s
the same, last stage 96               3.95 M        2,200     27.3 s
stem 16 /2; 24 /2, 48, 64 /2          3.76 M        2,430     24.7 s
stem 32 5×5 /4; 32, 64                4.90 M        2,510     23.9 s
stem 32 /2; 32, 64 /2, 128 /2         12.13 M       860       69.7 s
====================================  ============  ========  =======

More MACs fit into the same time only on smaller maps, and they do not pay: after one epoch of
Fashion-MNIST (two seeds) the stem of stride 4 reaches 86.4 and 86.8 %, the 24-48-64 network 89.0
and 88.7 %, this one 88.8 and 89.5 %. Convolutions are two thirds of the time, BatchNorm's backward
a sixth.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..cost import count_macs
from ..errors import RegardError

_CHANNELS = (16, 32, 64)
_MOST = 8.0  # widest network that widen() tries
_STEP = 1 / 16  # every change of a channel count of SmallResNet is at a multiple of this


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: ``relu(bn2(conv2(relu(bn1(conv1(x))))) + x)``.

    Nothing is written over that a hook on a child has seen: only the sum is rectified in place.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the first convolution and of the projection.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(
                OrderedDict(conv=convolution, bn=nn.BatchNorm2d(outputs)),
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, inputs, H, W]`` → ``[B, outputs, ⌈H/stride⌉, ⌈W/stride⌉]``."""
        branch = torch.relu(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(branch))
        return torch.relu_(branch + (x if self.shortcut is None else self.shortcut(x)))


class SmallResNet(nn.Module):
    """A residual network for small images: ``stem``, ``layer1``, ``layer2``, ``layer3``, ``head``.

    At width 1: 77,754 parameters for one channel and ten classes; 3.05 million MACs at 32×32.
    Weights of convolutions start as in He et al. 2015 (arXiv:1502.01852), fan out; no BatchNorm
    starts at zero, so that a mechanism behind the last one of a block acts from the first step.

    Args:
        classes: number of classes.
        channels: of the images.
        width: scales 16, 32 and 64 channels, rounded to multiples of 8, 8 at least.

    Raises:
        RegardError: for a number that is not positive.
    """

    def __init__(self, classes: int = 10, channels: int = 1, width: float = 1.0) -> None:
        super().__init__()
        if classes < 1 or channels < 1 or not 0 < width < math.inf:
            raise RegardError(
                f"SmallResNet takes one class and one channel or more and a width above 0; got "
                f"classes={classes}, channels={channels}, width={width}"
            )
        one, two, three = (scaled(base, width) for base in _CHANNELS)
        convolution = nn.Conv2d(channels, one, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(
            OrderedDict(conv=convolution, bn=nn.BatchNorm2d(one), relu=nn.ReLU()),
        )
        self.layer1 = nn.Sequential(BasicBlock(one, one))
        self.layer2 = nn.Sequential(BasicBlock(one, two, 2))
        self.layer3 = nn.Sequential(BasicBlock(two, three, 2))
        self.head = nn.Linear(three, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[B, channels, H, W]`` of any size, 8 or more, odd too → ``[B, classes]``."""
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        scores: Tensor = self.head(x.mean((2, 3)))
        return scores


def scaled(channels: int, width: float) -> int:
    """``channels · width``, rounded to a multiple of 8, 8 at least."""
    return max(8, 8 * math.floor(channels * width / 8 + 0.5))


def widen(build: Callable[[float], nn.Module], parameters: int, macs: int, example: Any) -> float:
    """The smallest width at which a network has so many parameters *and* so many MACs.

    This is the control for "is it the attention or only more parameters?". Widths are tried by
    bisection in steps of 1/16, where all channel counts of :class:`SmallResNet` change; a network
    given by ``build`` must not shrink as its width grows. The random state is left as found.

    Args:
        build: width → network.
        parameters: to reach.
        macs: multiply-accumulates to reach, of one forward of ``example``.
        example: what the network is called with; see :func:`regard.cost.count_macs`.

    Returns:
        The width, a multiple of 1/16.

    Raises:
        RegardError: if width 8 does not reach them, or the network cannot run on the example.
    """
    low, high = 0, round(_MOST / _STEP)
    size = _size(build, high * _STEP, example)
    if size[0] < parameters or size[1] < macs:
        raise RegardError(
            f"no width up to {_MOST:g} reaches {parameters:,} parameters and {macs:,} MACs; "
            f"width {_MOST:g} has {size[0]:,} and {size[1]:,}"
        )
    while high - low > 1:
        middle = (low + high) // 2
        size = _size(build, middle * _STEP, example)
        enough = size[0] >= parameters and size[1] >= macs
        low, high = (low, middle) if enough else (middle, high)
    return high * _STEP


def _size(build: Callable[[float], nn.Module], width: float, example: Any) -> tuple[int, int]:
    with torch.random.fork_rng(devices=[]):
        model = build(width)
    return sum(p.numel() for p in model.parameters()), count_macs(model, example)
