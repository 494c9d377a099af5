r"""Gather-Excite: gather context from an extent around each place, excite by it.

.. math:: y = x \cdot \sigma(\mathrm{nearest}(\mathrm{excite}(\mathrm{gather}(x))))

``ge`` (θ⁻) gathers by averages and has no parameters; ``ge_theta`` gathers by depthwise
convolutions with BatchNorm; ``ge_theta_plus`` excites, beside that, by two 1×1 convolutions.

An extent e is that of section 3 of the paper: the value for place u is gathered from the square of
2e - 1 around e·u, so that a map shrinks by e (rounded up). θ averages over the part of the square
that lies on the map; the others chain log2(e) convolutions 3×3 of stride 2, BatchNorm after each
and a rectifier between two. Without an extent the whole map is gathered into one value: for θ and
θ⁺ by one convolution as large as the map, whose ``size`` must then be known.

Shapes: ``[B, C, H, W]`` → the same. Cost: no parameters (θ⁻); 11C·log2(e), or Ck² + 2C for a map
k × k (θ); 2C²/r + C/r + C more (θ⁺). O(CHW) multiplications a sample.

The official Caffe networks are those of the whole map (``size=`` 56, 28, 14, 7), convolutions
without biases. Since a module cannot know its map, θ and θ⁺ gather by ``extent=8`` by default.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import Step, expect, gate, modulate
from ._gate import Sigmoid, StartOption, check_size, statistic, zero

Size = int | tuple[int, int]
Device = torch.device | str | None


class GatherExcite(nn.Module):
    """GE-θ⁻, without parameters (Hu et al., arXiv:1810.12348, section 3).

    Args:
        channels: C of the map; no parameter depends on it, and None takes any.
        extent: e, a whole number of at least 2; None, the official networks', is the whole map.
    """

    def __init__(
        self,
        channels: int | None = None,
        extent: int | None = None,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = None if channels is None else check_size(channels, "channels")
        if extent is not None and check_size(extent, "extent") < 2:
            raise RegardError(f"extent is {extent}; ge needs at least 2, or None for the whole map")
        self.extent = extent

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x [B, C, H, W]``, gated; without an extent ``[B, C, *space]``, and a boolean ``mask``
        ``[B, *space]``, True = real, can be given."""
        if self.extent is None:
            x = expect(x, 1, self.channels, "ge")
            return gate(x, Step("space", ("mean",), self.excite), mask=mask, spent=True)
        if mask is not None:
            raise RegardError("ge with an extent takes no mask; extent=None, the whole map, does")
        x = expect(x, 1, self.channels, "ge with an extent", axes=4)
        gathered = F.avg_pool2d(
            x, 2 * self.extent - 1, self.extent, self.extent - 1, count_include_pad=False
        )
        return modulate(x, spread(torch.sigmoid(statistic(gathered)), x))

    def excite(self, mean: Tensor) -> Tensor:
        """Means ``[B, C, 1, …]`` → gate ``[B, C]``."""
        return torch.sigmoid(mean.flatten(1))


class GatherExciteTheta(nn.Module):
    """GE-θ, with a learned gather (Hu et al., arXiv:1810.12348, section 3).

    Args:
        channels: C of the map.
        size: H and W of the map, one number if they are equal: gathers all of it, as the official
            networks do. None: gathers by ``extent``.
        extent: e, a power of two.
        start: ``paper``, or ``identity``: a zero last layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        size: Size | None = None,
        *,
        extent: int = 8,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.size = None if size is None else check_pair(size)
        kernels = [3] * steps_of(extent) if self.size is None else [self.size]
        layers: list[nn.Module] = []
        for kernel in kernels:
            layers += [nn.ReLU()] if layers else []
            conv = nn.Conv2d(
                channels, channels, kernel, stride=1 if self.size else 2,
                padding=0 if self.size else 1, groups=channels, bias=False,
                device=device, dtype=dtype,
            )  # fmt: skip
            nn.init.kaiming_normal_(conv.weight)
            layers += [conv, nn.BatchNorm2d(channels, device=device, dtype=dtype)]
        self.gather = nn.Sequential(*layers)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "ge_theta", axes=4)
        if self.size is None:
            return modulate(x, spread(self.excite(statistic(self.gather(x))), x))
        for axis, extent in zip((2, 3), self.size, strict=True):
            x = expect(x, axis, extent, f"ge_theta with size={self.size}")
        return modulate(x, self.excite(statistic(self.gather(x))))

    def excite(self, gathered: Tensor) -> Tensor:
        """What was gathered, ``[B, C, h, w]`` → gate of the same shape."""
        excited: Tensor = self.sigmoid(gathered)
        return excited


class GatherExciteThetaPlus(GatherExciteTheta):
    """GE-θ⁺, with a learned gather and excite (Hu et al., arXiv:1810.12348, section 3).

    Args:
        channels: C of the map.
        size: as for GE-θ.
        reduction: r of the excite, whose hidden layer has max(1, C // r) units.
        extent: e, a power of two.
        start: ``paper``, or ``identity``: a zero last layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        size: Size | None = None,
        reduction: int = 16,
        *,
        extent: int = 8,
        start: StartOption = "paper",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(channels, size, extent=extent, device=device, dtype=dtype)
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.reduce = nn.Conv2d(channels, hidden, 1, device=device, dtype=dtype)
        self.expand = nn.Conv2d(hidden, channels, 1, device=device, dtype=dtype)
        for layer in (self.reduce, self.expand):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand)

    def excite(self, gathered: Tensor) -> Tensor:
        """What was gathered, ``[B, C, h, w]`` → gate of the same shape."""
        hidden = torch.relu(self.reduce(torch.relu(gathered)))
        excited: Tensor = self.sigmoid(self.expand(hidden))
        return excited


def spread(small: Tensor, x: Tensor) -> Tensor:
    """A small map at the size of another, each value at the places nearest to it."""
    return F.interpolate(small, size=x.shape[2:])


def steps_of(extent: int) -> int:
    """log2 of an extent, the number of convolutions of stride 2 that make it."""
    steps = int(math.log2(check_size(extent, "extent")))
    if steps < 1 or 2**steps != extent:
        raise RegardError(f"extent is {extent}; ge_theta needs a power of two: 2, 4, 8, …")
    return steps


def check_pair(size: Size) -> tuple[int, int]:
    """H and W of a map given as one number or two."""
    height, width = (size, size) if isinstance(size, int) else size
    return check_size(height, "size"), check_size(width, "size")


GE_CARD = Card(
    name="ge",
    title="Gather-Excite (θ⁻)",
    module=GatherExcite,
    takes="map",
    family=("channel", "spatial"),
    start="none",
    paper="arXiv:1810.12348",
    year=2018,
    authors="Jie Hu, Li Shen, Samuel Albanie, Gang Sun, Andrea Vedaldi",
    bibtex="""@inproceedings{hu2018gather,
  title     = {Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks},
  author    = {Hu, Jie and Shen, Li and Albanie, Samuel and Sun, Gang and Vedaldi, Andrea},
  booktitle = {NeurIPS},
  year      = {2018}
}""",
    code="https://github.com/hujie-frank/GENet",
    code_licence="no licence",
    aliases=("gather_excite", "ge_theta_minus"),
    variants=("official",),
    parameters="0",
    complexity="O(CHW) additions a sample: two passes over the map",
    dims=(1, 2, 3),
)
THETA_CARD = replace(
    GE_CARD,
    name="ge_theta",
    title="Gather-Excite (θ)",
    module=GatherExciteTheta,
    start="gate",
    aliases=(),
    parameters="11*C*log2(extent)",
    complexity="O(CHW) multiplications a sample",
    dims=(2,),
    options={"extent": 2},
)
CARDS = (
    GE_CARD,
    THETA_CARD,
    replace(
        THETA_CARD,
        name="ge_theta_plus",
        title="Gather-Excite (θ⁺)",
        module=GatherExciteThetaPlus,
        parameters="11*C*log2(extent) + 2*C*max(1, C//reduction) + max(1, C//reduction) + C",
        complexity="O(CHW + C²HW/re²) multiplications a sample",
        options={"extent": 2, "reduction": 16},
    ),
)
