r"""FcaNet: channels squeezed into a few frequencies of a cosine transform, not into means alone.

.. math:: y = x \cdot \sigma(W_2\,\mathrm{relu}(W_1 s)), \qquad
          s_c = \sum_{ij} x_{cij}\, b_{u_c}(i)\, b_{v_c}(j), \qquad
          b_f(t) = \cos\left(\frac{\pi f (t + \frac12)}{N}\right) \frac{1 + (\sqrt2 - 1)[f > 0]}
                   {\sqrt N}

The channels are split into as many parts as there are frequencies (u, v); the frequency (0, 0) is
√(H·W) times the mean.

Shapes: ``[B, C, H, W]`` → the same. Cost: 2C²/r parameters, as many multiplications a sample, one
read for the transform and one for the product.

As in the official code both layers have no biases, frequencies are those of a 7×7 map (scaled by
``size // 7``), and a map of another size than ``size`` is first averaged down or up to it. That
averaging is linear, so here the basis is widened instead: the same numbers, no pooled map. The
official networks take ``size`` = 56, 28, 14, 7 at their four stages; a single module cannot know
its stage, and 7 is the default.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..cards import Card
from ..errors import RegardError
from ..ops import expect, modulate
from ._gate import Sigmoid, StartOption, check_size, statistic, zero

# The 32 frequencies (u, v) of each choice in the official order, each as two digits.
FREQUENCIES = {
    "top": "00 01 60 05 02 10 12 40 50 16 30 04 06 03 35 22 46 63 33 53 55 21 61 52 54 32 31 41 23"
    " 20 65 13",
    "low": "00 01 10 11 02 20 21 12 22 03 30 40 04 13 31 05 14 23 32 41 50 06 15 24 33 42 51 60 16"
    " 25 34 43",
    "bot": "66 14 34 36 26 43 11 24 44 45 56 15 42 62 25 51 64 13 65 20 23 41 31 32 54 52 61 21 55"
    " 53 33 63",
}  # fmt: skip


class FrequencyChannelAttention(nn.Module):
    """Multi-spectral channel attention (Qin et al., arXiv:2012.11879, section 3).

    Args:
        channels: C of the map, a multiple of the number of frequencies.
        size: H and W for which the frequencies are, one number if they are equal; at least 7.
        reduction: r; the hidden layer has max(1, C // r) units.
        frequencies: ``top``, ``low`` or ``bot`` and how many: 1, 2, 4, 8, 16 or 32.
        start: ``paper``, or ``identity``: a zero second layer and gate 2σ.
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int] = 7,
        reduction: int = 16,
        *,
        frequencies: str = "top16",
        start: StartOption = "paper",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_size(channels, "channels")
        self.frequencies = pairs(frequencies)
        if channels % len(self.frequencies):
            raise RegardError(
                f"{channels} channels are no multiple of the {len(self.frequencies)} frequencies "
                f"of {frequencies!r}; fewer are {frequencies[:3]}1, {frequencies[:3]}2, …"
            )
        for axis, (name, extent) in enumerate(zip("uv", both(size), strict=True)):
            rows = [basis(pair[axis] * (extent // 7), extent) for pair in self.frequencies]
            self.register_buffer(name, torch.tensor(rows, device=device, dtype=dtype), False)
        hidden = max(1, channels // check_size(reduction, "reduction"))
        self.reduce = nn.Linear(channels, hidden, False, device, dtype)
        self.expand = nn.Linear(hidden, channels, False, device, dtype)
        self.sigmoid = Sigmoid(start)
        if start == "identity":
            zero(self.expand)

    u: Tensor
    v: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, C, H, W]``, gated."""
        x = expect(x, 1, self.channels, "fca", axes=4)
        rows, columns = widened(self.u, x, 2), widened(self.v, x, 3)
        plane = (rows.unsqueeze(2) * columns.unsqueeze(1)).flatten(1)
        parts = x.flatten(2).unflatten(1, (len(self.frequencies), -1))
        spectrum = statistic((parts @ plane.unsqueeze(2)).flatten(1))
        return modulate(x, self.excite(spectrum))

    def excite(self, spectrum: Tensor) -> Tensor:
        """One number a channel, ``[B, C]`` → gate ``[B, C]``."""
        excited: Tensor = self.sigmoid(self.expand(torch.relu(self.reduce(spectrum))))
        return excited


def pairs(choice: str) -> list[tuple[int, int]]:
    """The frequencies of a choice such as ``top16``."""
    kind, many = choice[:3], choice[3:]
    if kind not in FREQUENCIES or many not in ("1", "2", "4", "8", "16", "32"):
        raise RegardError(
            f"frequencies is {choice!r}; it can be top, low or bot and 1, 2, 4, 8, 16 or 32"
        )
    return [(int(uv[0]), int(uv[1])) for uv in FREQUENCIES[kind].split()[: int(many)]]


def both(size: int | tuple[int, int]) -> tuple[int, int]:
    """H and W given as one number or two, each at least 7."""
    height, width = (size, size) if isinstance(size, int) else size
    if min(check_size(height, "size"), check_size(width, "size")) < 7:
        raise RegardError(f"size is {size}; the frequencies are those of 7×7 places at least")
    return height, width


def basis(frequency: int, extent: int) -> list[float]:
    """A wave of the orthonormal cosine transform of so many places."""
    scale = math.sqrt((2 if frequency else 1) / extent)
    return [scale * math.cos(math.pi * frequency * (t + 0.5) / extent) for t in range(extent)]


def widened(waves: Tensor, x: Tensor, axis: int) -> Tensor:
    """Waves ``[F, N]`` at the places of an axis: what averaging these into N would make of them.

    Average t is over the places from ⌊t·P/N⌋ to before ⌈(t + 1)·P/N⌉, P the number of places.
    """
    if has_torch_function((x,)):
        return handle_torch_function(widened, (x,), waves, x, axis)
    many, places = waves.shape[1], x.shape[axis]
    average = torch.arange(many, device=waves.device).unsqueeze(1)
    place = torch.arange(places, device=waves.device)
    first, behind = average * places // many, ((average + 1) * places + many - 1) // many
    within = (place >= first) & (place < behind)
    return waves @ (within.to(waves.dtype) / (behind - first))


CARD = Card(
    name="fca",
    title="Frequency Channel Attention",
    module=FrequencyChannelAttention,
    takes="map",
    family=("channel",),
    start="gate",
    paper="arXiv:2012.11879",
    year=2021,
    authors="Zequn Qin, Pengyi Zhang, Fei Wu, Xi Li",
    bibtex="""@inproceedings{qin2021fcanet,
  title     = {{FcaNet}: Frequency Channel Attention Networks},
  author    = {Qin, Zequn and Zhang, Pengyi and Wu, Fei and Li, Xi},
  booktitle = {ICCV},
  year      = {2021}
}""",
    code="https://github.com/cfzd/FcaNet",
    code_licence="MIT",
    aliases=("fcanet", "frequency_channel_attention"),
    variants=("official",),
    parameters="2*C*max(1, C//reduction)",
    complexity="O(C²/r) multiplications a sample beside two passes over the map",
    options={"reduction": 4},
)
