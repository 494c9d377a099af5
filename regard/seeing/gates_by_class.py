"""SENet's figure: the mean gate of each channel, by class and depth.

Hu et al., Squeeze-and-Excitation Networks (arXiv:1709.01507), section 7.2, figure 6: near the input
the gates of all classes are alike, deeper they tell classes apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .. import page
from ..errors import RegardError
from ..maps import Keep, record
from ..maps.places import as_it_is
from ..page import Markup, Page
from ..surgery.observation import left_as_found
from ..surgery.patterns import At
from .canvas import first_middle_last, strip_zoom

SOURCE = "arXiv:1709.01507"
_MOST_CLASSES = 7
_ROW = 10  # pixels of the screen for a row of gates, at least
_MOST_LINES = 256  # channels of a chart of lines
_HEAD = ("site", "channels", "mean gate", "spread over classes")


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
        return page.aligned([_HEAD, *self._rows()])

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

    def page(self, title: str) -> Page:
        """A page: how far classes differ by depth, then the gates of each depth."""
        made = Page(title, lead="The mean gate of each channel, by class and depth.")
        depths = list(range(1, len(self.means) + 1))
        line = [("spread over classes", depths, list(self.spread().values()))]
        caption = (
            "The deviation over classes, averaged over channels. In SENet it is near zero at first "
            f"and grows with depth ({SOURCE}, figure 6)."
        )
        chart = [page.lines(line, "depth", "spread", caption=caption)] if len(depths) > 1 else []
        rows = [(str(k), *row) for k, row in zip(depths, self._rows(), strict=True)]
        listed = page.table(("depth", *_HEAD), rows, "By depth")
        made.add("How far classes differ", *chart, listed)
        strips = [self._strip(k, site) for k, site in enumerate(self.means, 1)]
        made.add("Gates by channel", *strips)
        narrow = [site for site, m in self.means.items() if m.shape[1] <= _MOST_LINES]
        few = ClassGates(self.classes, {k: self.means[k] for k in first_middle_last(narrow)})
        if narrow:
            which = (
                f"The first, the middle and the last depth of at most {_MOST_LINES} channels; of "
                f"{len(self.classes)} classes the first {_MOST_CLASSES} at most."
            )
            made.add("Gates as lines", page.element("p", which), *few.figure())
        return made

    def _strip(self, depth: int, site: str) -> Markup:
        means = self.means[site].double().numpy()
        zoom = strip_zoom(means.shape[1])
        low, high = float(np.nanmin(means)), float(np.nanmax(means))
        alt = f"mean gates at depth {depth}, {site}: classes downwards, channels across"
        caption = f"Depth {depth}, {site}. A row a class, from above: {', '.join(self.classes)}"
        return page.element(
            "figure",
            page.heat(means.repeat(-(-_ROW // zoom), 0), alt, zoom=zoom),
            page.element("figcaption", caption),
            page.colour_bar(low, high, "mean gate"),
        )

    def _rows(self) -> list[tuple[str, str, str, str]]:
        spread = self.spread()
        return [
            (site, str(m.shape[1]), f"{float(m.nanmean()):.3g}", f"{spread[site]:.3g}")
            for site, m in self.means.items()
        ]


def class_gates(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | Sequence[int],
    classes: Sequence[str] | None = None,
    at: At = "**",
    *,
    batch: int = 64,
    prepare: Callable[[Tensor], Tensor] = as_it_is,
) -> ClassGates:
    """The mean gate of each channel over the images of each class.

    Args:
        model: with channel gates, plugged or its own; left in its mode.
        images: ``[N, C, H, W]``, as the model takes them, or as ``prepare`` does.
        labels: class of each, from 0.
        classes: names; default: the numbers.
        at: sites, as for :func:`regard.plug`.
        batch: images at a time.
        prepare: a batch of the images for the model.

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
                model(prepare(part))
            for m in (m for m in found if m.over == "channels"):
                site = m.site if not m.call else f"{m.site} ({m.call + 1})"
                gates = m.values.flatten(1)
                zero = torch.zeros(len(names), gates.shape[1])
                sums.setdefault(site, zero).index_add_(0, label, gates.float())
    if not sums:
        raise RegardError(f"{type(model).__name__} has no channel gates; plug se or eca, say")
    counts = torch.bincount(numbers, minlength=len(names)).float()[:, None]
    return ClassGates(names, {site: s / counts for site, s in sums.items()})
