"""Images as batches on a device, and the accuracy of a network on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import Images, Split
from ..errors import RegardError


@dataclass(frozen=True, slots=True)
class Feed:
    """Batches normalised by mean and deviation of the training images.

    Args:
        images: the data.
        device: where batches go.
        channels: of the batches; grey images are repeated where a network takes colour only.
        mean, std: of each channel of the images, ``[C, 1, 1]``, in 0..1.
    """

    images: Images
    device: torch.device
    channels: int
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, images: Images, device: str | torch.device, channels: int | None = None) -> Feed:
        """A feed of images to a device; by default with as many channels as they have.

        Raises:
            RegardError: for colour images and a network that does not take three channels.
        """
        own = images.train.images.shape[1]
        if channels is not None and own not in (1, channels):
            raise RegardError(
                f"{images.name} has {own} channels and the network takes {channels}; only grey "
                f"images can be fitted to it"
            )
        mean, std = (torch.tensor(v, device=device).view(-1, 1, 1) for v in images.mean_std())
        return cls(images, torch.device(device), channels or own, mean, std)

    def batches(
        self, split: Split, size: int, order: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Images ``[B, channels, H, W]`` and labels ``[B]``: all of a split, or those in order."""
        for start in range(0, len(split) if order is None else len(order), size):
            some = slice(start, start + size)
            index = some if order is None else order[some].numpy()
            labels = torch.from_numpy(split.labels[index].copy())
            yield self.normalised(split.images[index]), labels.to(self.device)

    def example(self, batch: int) -> Tensor:
        """The first training images, as a batch."""
        return self.normalised(self.images.train.images[:batch])

    def normalised(self, pixels: object) -> Tensor:
        """uint8 ``[B, C, H, W]`` as float32 ``[B, channels, H, W]``, channels last in memory."""
        x = torch.tensor(pixels, device=self.device, dtype=torch.float32).div_(255.0)
        x = x.sub_(self.mean).div_(self.std).expand(-1, self.channels, -1, -1)
        return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def evaluate(
    model: nn.Module, feed: Feed, split: Split, batch: int = 256
) -> tuple[float, float, tuple[float, ...]]:
    """Accuracy, mean cross-entropy and accuracy by class on a split, in eval mode.

    A class without images has the accuracy NaN.
    """
    model.eval()
    classes = len(feed.images.classes)
    right, total = torch.zeros(2, classes, dtype=torch.float64)
    loss = 0.0
    for x, labels in feed.batches(split, batch):
        logits = model(x)
        loss += float(F.cross_entropy(logits.float(), labels, reduction="sum"))
        hit = labels[logits.argmax(1) == labels]
        right += torch.bincount(hit.cpu(), minlength=classes)
        total += torch.bincount(labels.cpu(), minlength=classes)
    return float(right.sum() / total.sum()), loss / len(split), tuple((right / total).tolist())
