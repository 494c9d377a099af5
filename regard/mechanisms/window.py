r"""Window attention of Swin: multi-head attention inside windows of w × w pixels, shifted or not.

.. math:: \mathrm{softmax}\left(\frac{Q K^\top}{\sqrt{d}} + B\right) V, \qquad
          B_{ij} = \hat B[\mathrm{place}_i - \mathrm{place}_j]

B̂ is a learned table of (2w-1)² offsets a head. ``shifted_window`` moves the grid of windows by
w // 2, so that two layers together reach over the borders: the map is rolled, and in windows that
then hold pixels from two ends of the map, only pixels of one end attend to each other.

Shapes: ``[B, C, H, W]`` → the same. Cost: 4C² + 4C + (2w-1)²h parameters, 4C²HW + 2w²CHW
multiplications a sample.

A map whose sides are no multiples of w is padded with zeros, below and to the right, and as in the
official detection code the padding takes part as keys. ``variant="masked"`` keeps it out: then a
map smaller than the window is attended by full multi-head attention. Along a side of one window
nothing is shifted. Excluded pairs get a logit of -∞, not -100 as in the official code. Heads are
32 channels wide by default, as in all Swin networks. Start: ``identity`` adds the result to the
input, as a Swin block does, with a zero output projection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cards import Card
from ..ops import attend, expect
from ..ops.attention import Score
from ._gate import StartOption, adds_input, check_size, check_start, check_variant, zero
from ._windows import cut, default_heads, join, relative_index, truncated

VARIANTS = ("official", "masked")


class WindowAttention(nn.Module):
    """Window attention with relative position bias (Liu et al., arXiv:2103.14030, eq. 4).

    Args:
        channels: C of the map.
        window: w, height and width of a window in pixels.
        heads: h; by default heads of 32 channels or, where those do not divide C, wider ones.
        residual: add the input to the result; by default only at an identity start.
        variant: ``official`` or ``masked``, see the top of the file.
        start: ``paper``, or ``identity``: a zero output projection, and the input added.
    """

    shifted: ClassVar[bool] = False
    score: ClassVar[Score] = "scaled_dot"

    def __init__(
        self,
        channels: int,
        window: int = 7,
        heads: int | None = None,
        *,
        residual: bool | None = None,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.window = check_size(channels, "channels"), check_size(window, "window")
        self.heads = default_heads(channels, heads)
        self.masked = check_variant(variant, VARIANTS) == "masked"
        self.residual = adds_input(check_start(start), residual)
        self.qkv = nn.Linear(channels, 3 * channels, device=device, dtype=dtype)
        self.output = nn.Linear(channels, channels, device=device, dtype=dtype)
        truncated(self.qkv, self.output)
        if start == "identity":
            zero(self.output)
        self._make_positions(device, dtype)

    def _make_positions(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        table = torch.empty((2 * self.window - 1) ** 2, self.heads, device=device, dtype=dtype)
        self.position = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))

    def bias(self) -> Tensor:
        """What is added to the logits of a window, ``[h, w², w²]``."""
        return self.position[relative_index(self.window, self.position.device)].permute(2, 0, 1)

    def projected(self, tokens: Tensor) -> Tensor:
        """Queries, keys and values side by side, ``[..., 3C]``."""
        made: Tensor = self.qkv(tokens)
        return made

    def learned(self) -> tuple[Tensor, ...]:
        """Parameters of the score, the first axis being heads."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, each window attended by itself."""
        x = expect(x, 1, self.channels, "window attention", axes=4)
        height, width, w = x.shape[2], x.shape[3], self.window
        padded = F.pad(x, (0, -width % w, 0, -height % w))
        rows, columns = padded.shape[2] // w, padded.shape[3] // w
        shift = self._shift(rows), self._shift(columns)
        if self.shifted:
            padded = _rolled(padded, (-shift[0], -shift[1]))
        allowed = None
        if self.shifted or self.masked:
            down = self._axis(rows, shift[0], height, x.device)
            across = self._axis(columns, shift[1], width, x.device)
            allowed = self._allowed(down, across)
        y = join(self._attended(cut(padded, w), allowed), w, columns)
        if self.shifted:
            y = _rolled(y, shift)
        y = y[:, :, :height, :width]
        return x + y if self.residual else y

    def _shift(self, windows: int) -> int:
        """By how much a side of so many windows is rolled; not at all if it is one."""
        moved = int(self.shifted) * (self.window // 2)
        return moved * torch.sym_min(windows - 1, 1)  # type: ignore[return-value]

    def _axis(
        self, windows: int, shift: int, size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Of every place along a rolled side ``[n, w]``: did it come round, and is it real?"""
        place = torch.arange(windows * self.window, device=device)
        ends = place >= windows * self.window - shift
        real = (place + shift) % (windows * self.window) < size
        return ends.unflatten(0, (-1, self.window)), real.unflatten(0, (-1, self.window))

    def _allowed(self, down: tuple[Tensor, Tensor], across: tuple[Tensor, Tensor]) -> Tensor:
        """Which pixels of a window may attend to which, ``[nW, w², w²]``."""
        part = 2 * down[0].long()[:, None, :, None] + across[0].long()[None, :, None, :]
        part = part.flatten(2).flatten(0, 1)
        same = part[:, :, None] == part[:, None, :]
        if not self.masked:
            return same
        real = down[1][:, None, :, None] & across[1][None, :, None, :]
        return same & real.flatten(2).flatten(0, 1)[:, None, :]

    def _attended(self, tokens: Tensor, allowed: Tensor | None) -> Tensor:
        """Attention of windows of tokens ``[B, nW, w², C]``; all windows' heads side by side."""
        windows, heads = tokens.shape[1], self.heads
        split = self.projected(tokens).unflatten(-1, (3, heads, -1))
        query, key, value = split.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        if allowed is not None:
            allowed = allowed[None, :, None].expand(-1, -1, heads, -1, -1).flatten(1, 2)
        learned = tuple(p.repeat(windows, 1, 1) for p in self.learned())
        bias = self.bias().repeat(windows, 1, 1)
        out = attend(query, key, value, self.score, learned, mask=allowed, bias=bias)
        made: Tensor = self.output(out.unflatten(1, (-1, heads)).transpose(2, 3).flatten(3))
        return made


class ShiftedWindowAttention(WindowAttention):
    """Window attention whose grid of windows is moved by half a window."""

    shifted = True


def _rolled(x: Tensor, by: tuple[int, int]) -> Tensor:
    """``x [B, C, H, W]``, moved so many pixels down and across; what leaves comes in again.

    ONNX has no roll by a shift that follows from the size, but it can take pixels by number.
    """
    if not torch.compiler.is_exporting():
        return torch.roll(x, by, (2, 3))
    for axis, moved in zip((2, 3), by, strict=True):
        size = x.shape[axis]
        place = torch.arange(size, device=x.device) - moved
        around = size * (place < 0).long() - size * (place >= size).long()
        x = x.index_select(axis, place + around)
    return x


CARD = Card(
    name="window",
    title="Window attention (Swin)",
    module=WindowAttention,
    takes="map",
    family=("spatial",),
    start="residual",
    paper="arXiv:2103.14030",
    year=2021,
    authors="Ze Liu, Yutong Lin, Yue Cao, Han Hu, Yixuan Wei, Zheng Zhang, Stephen Lin, "
    "Baining Guo",
    bibtex="""@inproceedings{liu2021swin,
  title     = {{Swin} {Transformer}: Hierarchical Vision {Transformer} using Shifted Windows},
  author    = {Liu, Ze and Lin, Yutong and Cao, Yue and Hu, Han and Wei, Yixuan and Zhang, Zheng
               and Lin, Stephen and Guo, Baining},
  booktitle = {ICCV},
  year      = {2021}
}""",
    code="https://github.com/microsoft/Swin-Transformer",
    code_licence="MIT",
    aliases=("window_attention", "w_msa", "swin"),
    variants=VARIANTS,
    parameters="4*C**2 + 4*C + (2*window - 1)**2*max(1, C//32)",
    complexity="O(HW·C² + w²·HW·C) multiplications",
    place="stage",
    options={"window": 3},
)
CARDS = (
    CARD,
    replace(
        CARD,
        name="shifted_window",
        title="Shifted-window attention (Swin)",
        module=ShiftedWindowAttention,
        aliases=("shifted_window_attention", "sw_msa", "swin_shifted"),
    ),
)
