r"""Large separable kernel attention (LSKA): LKA whose kernels are a row times a column.

.. math::
   y = x \cdot W_{1\times1}\,\mathrm{dw}_{k_2\times1,d}\,\mathrm{dw}_{1\times k_2,d}\,
       \mathrm{dw}_{k_1\times1}\,\mathrm{dw}_{1\times k_1}(x)

Cost grows with the length of the kernel, not with its area, so that kernels of 53 are affordable.

Shapes: ``[B, C, H, W]`` → the same. Cost: C² + (2k₁ + 2k₂ + 5)C parameters, as many multiplications
a pixel. All layers have biases.

Of a kernel of size k: k₁ = 3, d = 2 for 7 and 11; k₁ = 5, d = 3 for 23, 35, 41 and 53; k₂ = k // d.
Initial values as in the official networks, see :mod:`.lka`; ``identity`` sets the last layer of
the gate to the constant one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate
from ._gate import StartOption, check_size, check_start
from ._large_kernels import fan_out, one

KERNELS = (7, 11, 23, 35, 41, 53)


class LargeSeparableKernelAttention(nn.Module):
    """Large separable kernel attention (Lau et al., arXiv:2309.01439, eq. 9 to 14).

    Args:
        channels: C of the map.
        kernel_size: k, one of 7, 11, 23, 35, 41 and 53.
        start: ``paper``, or ``identity``: a gate of one.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 23,
        *,
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        if kernel_size not in KERNELS:
            known = ", ".join(map(str, KERNELS))
            raise RegardError(f"kernel_size is {kernel_size!r}; lska has kernels of {known}")
        step = 2 if kernel_size < 23 else 3
        small, large = 2 * step - 1, kernel_size // step

        def strip(height: int, width: int, dilation: int = 1) -> nn.Conv2d:
            padding = dilation * (height // 2), dilation * (width // 2)
            return nn.Conv2d(
                channels, channels, (height, width), padding=padding, dilation=dilation,
                groups=channels, device=device, dtype=dtype,
            )  # fmt: skip

        self.local_row, self.local_column = strip(1, small), strip(small, 1)
        self.dilated_row, self.dilated_column = strip(1, large, step), strip(large, 1, step)
        self.mix = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
        fan_out(self.local_row, self.local_column, self.dilated_row, self.dilated_column, self.mix)
        if check_start(start) == "identity":
            one(self.mix)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "lska", axes=4)
        local = self.local_column(self.local_row(x))
        return modulate(x, self.mix(self.dilated_column(self.dilated_row(local))))


CARD = Card(
    name="lska",
    title="Large separable kernel attention",
    module=LargeSeparableKernelAttention,
    takes="map",
    family=("channel", "spatial"),
    start="gate",
    paper="arXiv:2309.01439",
    year=2023,
    authors="Kin Wai Lau, Lai-Man Po, Yasar Abbas Ur Rehman",
    bibtex="""@article{lau2023large,
  title   = {Large Separable Kernel Attention: Rethinking the Large Kernel Attention Design in
             {CNN}},
  author  = {Lau, Kin Wai and Po, Lai-Man and Rehman, Yasar Abbas Ur},
  journal = {arXiv preprint arXiv:2309.01439},
  year    = {2023}
}""",
    code="https://github.com/StevenLauHKHK/Large-Separable-Kernel-Attention",
    code_licence="Apache-2.0",
    aliases=("large_separable_kernel",),
    variants=("official",),
    parameters="C**2 + C*(5 + 2*(3 + 2*min(1, kernel_size//23))"
    " + 2*(kernel_size//(2 + min(1, kernel_size//23))))",
    complexity="O((C + 2k₁ + 2k₂)·C·HW) multiplications a sample",
    place="branch",
    dims=(2,),
    options={"kernel_size": 23},
    waives={
        "finite": "the gate has no bound: the product is quadratic, and for numbers of 100 it "
        "passes the end of float16 at 65504"
    },
)
