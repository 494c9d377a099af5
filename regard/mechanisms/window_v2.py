r"""Window attention of Swin v2: cosine scores and a position bias from a small network.

.. math:: \mathrm{softmax}\left(e^{\min(s, \ln 100)} \cos(Q, K) + B\right) V, \qquad
          B = 16\,\sigma(W_2\,\mathrm{relu}(W_1 \Delta + b_1)), \quad
          \Delta = \mathrm{sign}(\delta)\,\frac{\log_2(1 + 8|\delta|)}{\log_2 8}

δ is the offset query - key over its largest, w-1, or the w-1 of the network's pre-training, so
that one bias network serves windows of any size. ``shifted_window_v2`` moves the windows by w // 2.

Shapes: ``[B, C, H, W]`` → the same. Cost: 4C² + 3C + 1536 + 513h parameters, 4C²HW + 2w²CHW
multiplications a sample.

Queries and values have biases, keys have none. The factor 16σ is that of the official code; the
paper has the network's output alone. Padding, shift and start are those of ``window``; the official
block normalises the result before it adds the input, which is not part of it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from ._gate import StartOption, check_size
from ._windows import relative_index, truncated
from .window import CARD as WINDOW
from .window import WindowAttention

HIDDEN = 512


class WindowAttentionV2(WindowAttention):
    """Window attention with cosine scores (Liu et al., arXiv:2111.09883, eq. 2 to 4).

    Args:
        channels: C of the map.
        window: w, height and width of a window in pixels.
        heads: h; by default heads of 32 channels or, where those do not divide C, wider ones.
        pretrained_window: w of the network's pre-training, where it was another.
        residual: add the input to the result; by default only at an identity start.
        variant: ``official``: padding takes part as keys; ``masked``: it does not.
        start: ``paper``, or ``identity``: a zero output projection, and the input added.
    """

    score = "cosine"

    def __init__(
        self,
        channels: int,
        window: int = 8,
        heads: int | None = None,
        *,
        pretrained_window: int | None = None,
        residual: bool | None = None,
        variant: str = "official",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels, window, heads, residual=residual, variant=variant, start=start,
            device=device, dtype=dtype,
        )  # fmt: skip
        reference = window if pretrained_window is None else pretrained_window
        self.reach = max(1, check_size(reference, "pretrained_window") - 1)
        self.qkv = nn.Linear(channels, 3 * channels, False, device, dtype)
        truncated(self.qkv)
        self.query_bias = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.value_bias = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        log_scale = torch.full((self.heads, 1, 1), math.log(10.0), device=device, dtype=dtype)
        self.log_scale = nn.Parameter(log_scale)

    def _make_positions(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        first = nn.Linear(2, HIDDEN, device=device, dtype=dtype)
        last = nn.Linear(HIDDEN, self.heads, False, device, dtype)
        truncated(first, last)
        self.position_mlp = nn.Sequential(first, nn.ReLU(), last)

    def offsets(self) -> Tensor:
        """Δ of all offsets, ``[(2w-1)², 2]``, rows first."""
        like = self.query_bias
        side = torch.arange(1 - self.window, self.window, device=like.device).to(like.dtype)
        side = side.sign() * torch.log2(1 + 8 / self.reach * side.abs()) / math.log2(8)
        return torch.cartesian_prod(side, side)

    def bias(self) -> Tensor:
        """What is added to the logits of a window, ``[h, w², w²]``."""
        table = self.position_mlp(self.offsets())
        index = relative_index(self.window, table.device)
        bias: Tensor = 16 * torch.sigmoid(table[index].permute(2, 0, 1))
        return bias

    def projected(self, tokens: Tensor) -> Tensor:
        """Queries, keys and values side by side, ``[..., 3C]``."""
        none = torch.zeros_like(self.query_bias)
        bias = torch.cat((self.query_bias, none, self.value_bias))
        return nn.functional.linear(tokens, self.qkv.weight, bias)

    def learned(self) -> tuple[Tensor, ...]:
        """The logarithm of the scale, ``[h, 1, 1]``."""
        return (self.log_scale,)


class ShiftedWindowAttentionV2(WindowAttentionV2):
    """Window attention of Swin v2 whose grid of windows is moved by half a window."""

    shifted = True


CARD = replace(
    WINDOW,
    name="window_v2",
    title="Window attention (Swin v2)",
    module=WindowAttentionV2,
    paper="arXiv:2111.09883",
    year=2022,
    authors="Ze Liu, Han Hu, Yutong Lin, Zhuliang Yao, Zhenda Xie, Yixuan Wei, Jia Ning, Yue Cao, "
    "Zheng Zhang, Li Dong, Furu Wei, Baining Guo",
    bibtex="""@inproceedings{liu2022swinv2,
  title     = {{Swin} {Transformer} {V2}: Scaling Up Capacity and Resolution},
  author    = {Liu, Ze and Hu, Han and Lin, Yutong and Yao, Zhuliang and Xie, Zhenda and Wei, Yixuan
               and Ning, Jia and Cao, Yue and Zhang, Zheng and Dong, Li and Wei, Furu
               and Guo, Baining},
  booktitle = {CVPR},
  year      = {2022}
}""",
    aliases=("window_attention_v2", "swin_v2"),
    parameters="4*C**2 + 3*C + 1536 + 513*max(1, C//32)",
    options={"window": 3},
)
CARDS = (
    CARD,
    replace(
        CARD,
        name="shifted_window_v2",
        title="Shifted-window attention (Swin v2)",
        module=ShiftedWindowAttentionV2,
        aliases=("shifted_window_attention_v2", "swin_v2_shifted"),
    ),
)
