r"""Deformable convolution: each output looks at k² places that it chooses itself.

.. math:: y(p) = b + \sum_k w_k\, m_k(p)\, x(p + p_k + \Delta p_k(p))

The offsets Δp and, in version 2, the weights m = σ(·) are those of a convolution of the map; values
between pixels are bilinear, outside the frame they are zero. It is attention over k² places per
pixel: where to look and, in version 2, how much each counts depend on the content.

Shapes: ``[B, C, H, W]`` → ``[B, O, H, W]``, or ⌈H / stride⌉ by ⌈W / stride⌉. Padding keeps the
size. Cost: O·C·k² + O parameters and (C·k² + 1)·2k² for the offsets, 3k² with the weights; as many
multiplications a pixel, and 4 reads for each of k² places.

Offsets are pairs (down, right) for each place, groups of channels outermost, and the weights come
after all offsets, as in torchvision and in the authors' code. The convolution that makes them
starts at zero: version 1 then is the plain convolution, version 2 half of it plus the bias.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect
from ..ops.warping import sample
from ._gate import check_size, zero


class Taps(NamedTuple):
    """The places of a kernel: side, step between outputs, step between places."""

    kernel: int
    stride: int
    dilation: int

    @property
    def padding(self) -> int:
        """What keeps the size at stride 1."""
        return self.dilation * (self.kernel // 2)


class DeformConv(nn.Module):
    """Deformable convolution (Dai et al., arXiv:1703.06211, eq. 2 to 4).

    Args:
        channels: C of the map.
        out_channels: O, by default C.
        kernel_size: k, odd.
        stride: step between outputs.
        dilation: step between the places of the kernel.
        groups: of the convolution, as in ``nn.Conv2d``.
        offset_groups: parts of the channels with offsets of their own.
        bias: add one.
    """

    parts = 2  # numbers a place: how far down, how far right
    name = "deform_conv"

    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        offset_groups: int = 1,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        out = channels if out_channels is None else check_size(out_channels, "out_channels")
        if check_size(kernel_size, "kernel_size") % 2 == 0:
            raise RegardError(f"kernel_size is {kernel_size}; {self.name} needs an odd number")
        self.taps = Taps(kernel_size, check_size(stride, "stride"), dilation)
        check_size(dilation, "dilation")
        self.groups = check_groups(groups, "groups", channels, out)
        self.offset_groups = check_groups(offset_groups, "offset_groups", channels)
        shape = (out, channels // groups, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = nn.Parameter(torch.zeros(out, device=device, dtype=dtype)) if bias else None
        self.offset = nn.Conv2d(
            channels, self.parts * offset_groups * kernel_size**2, kernel_size, stride,
            self.taps.padding, dilation, device=device, dtype=dtype,
        )  # fmt: skip
        zero(self.offset)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]`` → ``[B, O, ⌈H / stride⌉, ⌈W / stride⌉]``."""
        x = expect(x, 1, self.channels, self.name, axes=4)
        offset, mask = self.places(x)
        seen = gather(x, offset, self.taps)
        if mask is not None:
            seen = (seen.unflatten(1, (self.offset_groups, -1)) * mask.unsqueeze(2)).flatten(1, 2)
        # [B, groups, C / groups · k², pixels] under the kernels of each group
        columns = seen.flatten(3).unflatten(1, (self.groups, -1)).flatten(2, 3)
        kernels = self.weight.flatten(1).unflatten(0, (self.groups, -1))
        out = (kernels @ columns).flatten(1, 2)
        if self.bias is not None:
            out = out + self.bias.unsqueeze(1)
        return out.unflatten(2, seen.shape[3:])

    def places(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Offsets ``[B, 2·g·k², h, w]``, and the weights ``[B, g, k², h, w]`` of version 2."""
        return self.offset(x), None


class ModulatedDeformConv(DeformConv):
    """Deformable convolution, version 2 (Zhu et al., arXiv:1811.11168, eq. 1).

    Its arguments are those of version 1; each place has a weight besides.
    """

    parts = 3
    name = "deform_conv_v2"

    def places(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Offsets ``[B, 2·g·k², h, w]`` and weights ``[B, g, k², h, w]`` between 0 and 1."""
        count = self.offset_groups * self.taps.kernel**2
        made = self.offset(x)
        mask = torch.sigmoid(made[:, 2 * count :]).unflatten(1, (self.offset_groups, -1))
        return made[:, : 2 * count], mask


def gather(x: Tensor, offset: Tensor, taps: Taps) -> Tensor:
    """The values of a map at the places of a kernel, moved by offsets.

    Args:
        x: ``[B, C, H, W]``.
        offset: pixels down and right for each of g groups and k² places, ``[B, g·k²·2, h, w]``.
        taps: the places before they are moved.

    Returns:
        ``[B, C, k², h, w]``.
    """
    if has_torch_function((x, offset)):
        return handle_torch_function(gather, (x, offset), x, offset, taps)
    size, exact = taps.kernel**2, torch.float64 if x.dtype == torch.float64 else torch.float32
    height, width = offset.shape[2:]
    down, right = offset.to(exact).unflatten(1, (-1, size, 2)).flatten(0, 1).unbind(2)
    tap = torch.arange(taps.kernel, dtype=exact, device=x.device) * taps.dilation - taps.padding
    row = torch.arange(height, dtype=exact, device=x.device) * taps.stride
    column = torch.arange(width, dtype=exact, device=x.device) * taps.stride
    row = down + tap.repeat_interleave(taps.kernel).view(-1, 1, 1) + row.unsqueeze(1)
    column = right + tap.repeat(taps.kernel).view(-1, 1, 1) + column
    groups = offset.shape[1] // (2 * size)
    parts = x.unflatten(1, (groups, -1)).flatten(0, 1)
    found = sample(parts, column.flatten(1, 2), row.flatten(1, 2))
    return found.unflatten(2, (size, height)).unflatten(0, (-1, groups)).flatten(1, 2)


def check_groups(groups: int, what: str, *channels: int) -> int:
    """``groups`` itself, if it divides all numbers of channels."""
    check_size(groups, what)
    for count in channels:
        if count % groups:
            works = ", ".join(str(g) for g in range(1, min(count, 64) + 1) if count % g == 0)
            raise RegardError(
                f"{what} is {groups}, which does not divide {count} channels; these do: {works}"
            )
    return groups


CARD = Card(
    name="deform_conv",
    title="Deformable convolution",
    module=DeformConv,
    takes="convolution",
    family=("spatial",),
    start="none",
    paper="arXiv:1703.06211",
    year=2017,
    authors="Jifeng Dai, Haozhi Qi, Yuwen Xiong, Yi Li, Guodong Zhang, Han Hu, Yichen Wei",
    bibtex="""@inproceedings{dai2017deformable,
  title     = {Deformable Convolutional Networks},
  author    = {Dai, Jifeng and Qi, Haozhi and Xiong, Yuwen and Li, Yi and Zhang, Guodong and
               Hu, Han and Wei, Yichen},
  booktitle = {ICCV},
  year      = {2017}
}""",
    code="https://github.com/msracver/Deformable-ConvNets",
    code_licence="Apache-2.0",
    aliases=("dcn", "dcn_v1", "deformable_convolution"),
    variants=("official",),
    parameters="C**2*kernel_size**2//groups + C"
    " + (C*kernel_size**2 + 1)*2*offset_groups*kernel_size**2",
    complexity="O((O + 2k²)·C·k²) multiplications and 4·C·k² reads a pixel, C·k²·HW memory",
    place="branch",
)
CARDS = (
    CARD,
    replace(
        CARD,
        name="deform_conv_v2",
        title="Deformable convolution, version 2",
        module=ModulatedDeformConv,
        paper="arXiv:1811.11168",
        year=2019,
        authors="Xizhou Zhu, Han Hu, Stephen Lin, Jifeng Dai",
        bibtex="""@inproceedings{zhu2019deformable,
  title     = {Deformable {ConvNets} v2: More Deformable, Better Results},
  author    = {Zhu, Xizhou and Hu, Han and Lin, Stephen and Dai, Jifeng},
  booktitle = {CVPR},
  year      = {2019}
}""",
        aliases=("dcn_v2", "modulated_deform_conv"),
        parameters="C**2*kernel_size**2//groups + C"
        " + (C*kernel_size**2 + 1)*3*offset_groups*kernel_size**2",
        complexity="O((O + 3k²)·C·k²) multiplications and 4·C·k² reads a pixel, C·k²·HW memory",
    ),
)
