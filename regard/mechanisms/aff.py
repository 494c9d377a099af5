r"""AFF: fuse two maps by a gate that looks at both, near and far, instead of adding them.

.. math::
   M(z) = \sigma(L(z) + G(\mathrm{GAP}(z))), \qquad
   y = 2\,M(x + r)\,x + 2\,(1 - M(x + r))\,r

L and G are bottlenecks of 1×1 convolutions with BatchNorm, of each pixel and of the mean. iAFF
fuses twice, the second gate looking at the first result:

.. math::
   z = M_1(x + r)\,x + (1 - M_1(x + r))\,r, \qquad y = M_2(z)\,x + (1 - M_2(z))\,r

Shapes: ``[B, C, *space]`` twice, a branch and its shortcut, → the same. Cost: 4C²/r + 6C/r + 6C
parameters for AFF, twice that for iAFF, and 2C²/r multiplications a pixel and gate.

The factor 2 in AFF is the code's, not the paper's equation; with it a gate of one half is the plain
sum. ``variant="paper"`` leaves it out. iAFF has no factor in either. The port to PyTorch in the
authors' repository runs iAFF's first global bottleneck a second time and never its second;
``variant="pytorch"`` is that, without the unused layers. Where C < r the bottleneck keeps one unit.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate, squeeze
from ._dims import batch_norm, convolution
from ._gate import check_size, check_variant

AFF_VARIANTS = ("official", "paper")
IAFF_VARIANTS = ("official", "pytorch")
Device = torch.device | str | None


class AFF(nn.Module):
    """Attentional feature fusion (Dai et al., arXiv:2009.14082).

    Args:
        channels: C of both maps.
        reduction: r; the bottlenecks have max(1, C // r) units.
        dims: spatial dimensions of the maps: 1, 2 or 3.
        variant: ``official`` or ``paper``, see the top of the file.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 4,
        *,
        dims: int = 2,
        variant: str = "official",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), check_dims(dims)
        self.factor = 2.0 if check_variant(variant, AFF_VARIANTS) == "official" else 1.0
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.near, self.far = (bottleneck(channels, hidden, dims, device, dtype) for _ in range(2))

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """Two maps ``[B, C, *space]``, fused."""
        x, shortcut = fitting(x, shortcut, "aff", self.channels, self.dims)
        gate = weigh(x + shortcut, self.near, self.far)
        if self.factor == 1.0:
            return fuse(x, shortcut, gate)
        return modulate(x, 2 * gate) + modulate(shortcut, 2 * (1 - gate))


class IterativeAFF(nn.Module):
    """Iterative attentional feature fusion (Dai et al., arXiv:2009.14082).

    Args:
        channels: C of both maps.
        reduction: r; the bottlenecks have max(1, C // r) units.
        dims: spatial dimensions of the maps: 1, 2 or 3.
        variant: ``official`` or ``pytorch``, see the top of the file.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 4,
        *,
        dims: int = 2,
        variant: str = "official",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.dims = check_size(channels, "channels"), check_dims(dims)
        check_variant(variant, IAFF_VARIANTS)
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.near, self.far, self.near2 = (
            bottleneck(channels, hidden, dims, device, dtype) for _ in range(3)
        )
        self.far2: nn.Module | None = None
        if variant == "official":
            self.far2 = bottleneck(channels, hidden, dims, device, dtype)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """Two maps ``[B, C, *space]``, fused."""
        x, shortcut = fitting(x, shortcut, "iaff", self.channels, self.dims)
        first = fuse(x, shortcut, weigh(x + shortcut, self.near, self.far))
        far = self.far if self.far2 is None else self.far2
        return fuse(x, shortcut, weigh(first, self.near2, far))


def bottleneck(
    channels: int, hidden: int, dims: int, device: Device, dtype: torch.dtype | None
) -> nn.Sequential:
    """Two 1×1 convolutions with BatchNorm, a ReLU between them."""
    conv = convolution(dims)
    norm = batch_norm(dims)
    return nn.Sequential(
        conv(channels, hidden, 1, device=device, dtype=dtype),
        norm(hidden, device=device, dtype=dtype),
        nn.ReLU(),
        conv(hidden, channels, 1, device=device, dtype=dtype),
        norm(channels, device=device, dtype=dtype),
    )


def weigh(x: Tensor, near: nn.Module, far: nn.Module) -> Tensor:
    """The gate ``[B, C, *space]`` from each pixel and from the mean of all."""
    (mean,) = squeeze(x, "space", ("mean",))
    return torch.sigmoid(near(x) + far(mean))


def fuse(x: Tensor, shortcut: Tensor, gate: Tensor) -> Tensor:
    """Gate times the one and the rest times the other."""
    return modulate(x, gate) + modulate(shortcut, 1 - gate)


def fitting(x: Tensor, y: Tensor, name: str, channels: int, dims: int) -> tuple[Tensor, Tensor]:
    """Two maps themselves, if they have these channels and dimensions, and one shape."""
    what = f"{name} with dims={dims}"
    x, y = (expect(m, 1, channels, what, axes=dims + 2) for m in (x, y))
    return x, of_one_shape(y, x, name)


def of_one_shape(y: Tensor, x: Tensor, what: str) -> Tensor:
    """``y`` itself, if it has the shape of ``x``."""
    if has_torch_function((y, x)):
        return handle_torch_function(of_one_shape, (y, x), y, x, what)
    if y.shape != x.shape:
        raise RegardError(
            f"{what} fuses two maps of one shape; got {tuple(x.shape)} and {tuple(y.shape)}: bring "
            f"one to the size of the other first"
        )
    return y


def check_dims(dims: int) -> int:
    """Spatial dimensions that there are convolutions for."""
    if dims not in (1, 2, 3):
        raise RegardError(f"dims is {dims!r}; a map has 1, 2 or 3 spatial dimensions")
    return dims


AFF_CARD = Card(
    name="aff",
    title="Attentional feature fusion",
    module=AFF,
    takes="maps",
    family=("channel", "spatial"),
    start="none",
    paper="arXiv:2009.14082",
    year=2021,
    authors="Yimian Dai, Fabian Gieseke, Stefan Oehmcke, Yiquan Wu, Kobus Barnard",
    bibtex="""@inproceedings{dai2021attentional,
  title     = {Attentional Feature Fusion},
  author    = {Dai, Yimian and Gieseke, Fabian and Oehmcke, Stefan and Wu, Yiquan and
               Barnard, Kobus},
  booktitle = {WACV},
  year      = {2021}
}""",
    code="https://github.com/YimianDai/open-aff",
    aliases=("attentional_feature_fusion",),
    variants=AFF_VARIANTS,
    parameters="4*C*max(1, C//reduction) + 6*max(1, C//reduction) + 6*C",
    complexity="O(C²/r) multiplications a pixel",
    place="branch",
    dims=(1, 2, 3),
    options={"reduction": 4, "dims": 2},
)
CARDS = (
    AFF_CARD,
    replace(
        AFF_CARD,
        name="iaff",
        title="Iterative attentional feature fusion",
        module=IterativeAFF,
        aliases=("iterative_aff",),
        variants=IAFF_VARIANTS,
        parameters="8*C*max(1, C//reduction) + 12*max(1, C//reduction) + 12*C",
        complexity="O(C²/r) multiplications a pixel, twice",
    ),
)
