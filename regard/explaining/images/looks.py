"""A network's look at a picture: what its page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...page import Markup, both, element
from ..wording import said
from .network import CLASSES, GATES, ShippedImages, only
from .numbers import KINDS
from .reading import Pixels, read_large, read_small
from .watching import Pass, watch

_BEST = 3  # classes of an answer


@dataclass(frozen=True, slots=True)
class Look:
    """A network's look at a picture, as the page needs it.

    Args:
        name: of the picture.
        large: the picture as it is, uint8 ``[3, H, W]``.
        x: the picture as the network takes it, ``[1, C, H, W]``.
        levels: for each channel of ``x`` the numbers of black and of full brightness.
        passes: what was seen of each mechanism.
        told: what is said below the picture: how it was read, and the answer.
        origin: what is said at the end of the network.
        moved: the Spatial Transformer stands before everything else.
    """

    name: str
    large: Pixels
    x: Tensor
    levels: list[list[float]]
    passes: Mapping[str, Pass]
    told: list[Markup]
    origin: list[Markup]
    moved: bool


def look_shipped(shipped: ShippedImages, path: Path) -> Look:
    """The shipped network with one gate after the other on."""
    large = read_large(path)
    x, negative = read_small(path)
    passes: dict[str, Pass] = {}
    answers = []
    for name in GATES:
        with only(shipped.network, "spatial_transformer", name):
            found, scores = watch(shipped.network, x, KINDS)
        passes |= found
        answers.append(element("li", f"{name.upper()}: ", answer(scores, CLASSES)))
    weights = sum(p.numel() for p in shipped.network.parameters())
    told = [
        said("seen-shipped"), said("negative") if negative else Markup(""),
        said("gates-in-turn"), element("ul", *answers),
    ]  # fmt: skip
    origin = [
        said("trained-images", weights=weights, **shipped.facts), said("used-to"), said("strange")
    ]  # fmt: skip
    return Look(path.name, large, x, [[0.0, 1.0]], passes, told, origin, moved=True)


def answer(scores: Tensor, classes: tuple[tuple[str, str], ...]) -> Markup:
    """The likeliest classes with their shares; classes have an English and a Chinese name."""
    shares, best = scores.softmax(0).topk(min(_BEST, len(classes)))
    pairs = [(f"{share:.0%}", *classes[k]) for share, k in zip(shares, best.tolist(), strict=True)]
    english = ", ".join(f"{name} {share}" for share, name, _ in pairs)
    chinese = "，".join(f"{name} {share}" for share, _, name in pairs)
    return both(english, chinese)
