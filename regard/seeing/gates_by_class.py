"""SENet's figure: the mean gate of each channel, by class and depth.

Hu et al., Squeeze-and-Excitation Networks (arXiv:1709.01507), section 7.2, figure 6: near the input
the gates of all classes are alike, deeper they tell classes apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import page
from ..errors import RegardError
from ..maps import Keep, record
from ..page import Markup
from ..surgery.observation import left_as_found
from ..surgery.patterns import At

SOURCE = "arXiv:1709.01507"
_MOST_CLASSES = 7


@dataclass(frozen=True, eq=False)
class ClassGates:
    """Mean channel gates.

    Args:
        classes: their names.
        means: by site, in the order of the run, ``[classes, C]``; NaN for a class without a sample.
    """

    classes: tuple[str, ...]
    means: dict[str, Tensor]

    def spread(self) -> dict[str, float]:
        """How far classes differ, by site: the deviation over classes, averaged over channels."""
        return {site: float(m[~m.isnan().any(1)].std(0).mean()) for site, m in self.means.items()}

    def table(self) -> str:
        """Site, channels, mean gate and spread over classes, as aligned text."""
        rows = [
            (site, str(m.shape[1]), f"{float(m.nanmean()):.3g}", f"{self.spread()[site]:.3g}")
            for site, m in self.means.items()
        ]
        return page.aligned([("site", "channels", "mean gate", "spread over classes"), *rows])

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def figure(self) -> list[Markup]:
        """A chart for each site, from the input on: channels across, a line for each class."""
        names = self.classes[:_MOST_CLASSES]
        looks = page.Palette(names)
        return [
            page.lines(
                [(name, range(m.shape[1]), row.tolist()) for name, row in zip(names, m)],  # noqa: B905 - the first classes
                "channel", "mean gate", caption=f"Gates at {site}, by class", palette=looks,
            )
            for site, m in self.means.items()
        ]  # fmt: skip


def class_gates(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | Sequence[int],
    classes: Sequence[str] | None = None,
    at: At = "**",
    *,
    batch: int = 64,
) -> ClassGates:
    """The mean gate of each channel over the images of each class.

    Args:
        model: with channel gates, plugged or its own; left in its mode.
        images: ``[N, C, H, W]``, as the model takes them.
        labels: class of each, from 0.
        classes: names; default: the numbers.
        at: sites, as for :func:`regard.plug`.
        batch: images at a time.

    Raises:
        RegardError: where there is no channel gate, or not a label for each image.
    """
    numbers = torch.as_tensor(labels).long()
    if len(numbers) != len(images) or not len(images):
        raise RegardError(f"{len(images)} images and {len(numbers)} labels; one for each works")
    names = tuple(classes or map(str, range(int(numbers.max()) + 1)))
    sums: dict[str, Tensor] = {}
    with left_as_found(model), torch.no_grad():
        for part, label in zip(images.split(batch), numbers.split(batch), strict=True):
            with record(model, Keep(at=at, kinds=("gate",), most=None)) as found:
                model(part)
            for m in (m for m in found if m.over == "channels"):
                site = m.site if not m.call else f"{m.site} ({m.call + 1})"
                gates = m.values.flatten(1)
                zero = torch.zeros(len(names), gates.shape[1])
                sums.setdefault(site, zero).index_add_(0, label, gates.float())
    if not sums:
        raise RegardError(f"{type(model).__name__} has no channel gates; plug se or eca, say")
    counts = torch.bincount(numbers, minlength=len(names)).float()[:, None]
    return ClassGates(names, {site: s / counts for site, s in sums.items()})
