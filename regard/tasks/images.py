"""The classification of images: batches on a device, cross-entropy, accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import Images, Split
from ..errors import RegardError, of_one_value
from ..networks import check_host
from .image_codec import ImageCodec
from .network import Network
from .task import Batch, Loss, Rows, Scores, epoch_seed


@dataclass(frozen=True, slots=True)
class ImageTask:
    """Images, normalised by mean and deviation of those of train.

    Args:
        data: the images.
        codec: size, colours and classes, as a network takes them.
        device: where batches go.
    """

    kind: ClassVar[str] = "images"
    measure: ClassVar[str] = "accuracy"

    data: Images
    codec: ImageCodec
    device: torch.device

    @classmethod
    def of(
        cls, data: Images, device: str | torch.device = "cpu", channels: int | None = None
    ) -> ImageTask:
        """The task of images on a device; by default with as many channels as they have.

        Raises:
            RegardError: for colour images and a network that does not take three channels.
        """
        own = data.train.images.shape[1]
        if channels is not None and own not in (1, channels):
            raise RegardError(
                f"{data.name} has {own} channels and the network takes {channels}; only grey "
                f"images can be fitted to it"
            )
        return cls(data, ImageCodec.of(data, channels), torch.device(device))

    @property
    def held_out(self) -> str:
        """The part that learning curves are of."""
        return "test" if self.data.validation is None else "validation"

    @property
    def answers(self) -> int:
        """One an image of test."""
        return len(self.data.test)

    @property
    def channels(self) -> int:
        """Of the batches; grey images are repeated where a network takes colour only."""
        return self.codec.channels

    def facts(self) -> dict[str, Any]:
        """Classes, channels and size."""
        return {
            "kind": self.kind,
            "classes": len(self.data.classes),
            "channels": self.channels,
            "size": self.codec.shape[-1],
        }

    def to(self, device: str | torch.device) -> ImageTask:
        """The same on a device."""
        return replace(self, device=torch.device(device))

    def build(self, network: Network) -> nn.Module:
        """The host of a name; see :func:`regard.networks.build_host`."""
        return self.codec.build(network)

    def prepare(self, model: nn.Module) -> None:
        """To the device, channels last in memory; its output must fit the classes."""
        model.to(self.device).to(memory_format=torch.channels_last)
        self.check(model)

    def check(self, model: nn.Module) -> None:
        """Run a network where it is on two images; RegardError if its output does not fit."""
        check_host(model, len(self.data.classes), self.example(2))

    def example(self, count: int) -> Tensor:
        """The first training images, as a batch."""
        return self.normalised(self.data.train.images[:count])

    def order(self, size: int, *, seed: int, epoch: int) -> Sequence[Rows]:
        """All training images, shuffled; a last batch of one, which BatchNorm refuses, is left."""
        total = len(self.data.train)
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch) % (1 << 63))
        order = torch.randperm(total, generator=generator)
        kept = order[:-1] if total > 1 and total % size == 1 else order
        return [rows.numpy() for rows in kept.split(size)]

    def batch(self, rows: Rows) -> Batch:
        """Images ``[B, channels, H, W]`` and labels ``[B]``."""
        return self._batch(self.data.train, rows)

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """Cross-entropy, and how many images were classified rightly."""
        labels = batch.targets
        logits = _forward(model, batch.inputs[0])
        right = (logits.detach().argmax(1) == labels).sum()
        return Loss(F.cross_entropy(logits, labels), len(labels), float(right))

    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """Accuracy, loss, and accuracy ``by_class``, None for a class without images."""
        return self.score(model, self.data.splits()[role])

    @torch.no_grad()
    def score(self, model: nn.Module, split: Split, size: int = 256) -> Scores:
        """The same on any split."""
        model.eval()
        classes = len(self.data.classes)
        right, total = torch.zeros(2, classes, dtype=torch.float64)
        loss = 0.0
        for (x,), labels in self.batches(split, size):
            logits = model(x)
            loss += float(F.cross_entropy(logits.float(), labels, reduction="sum"))
            hit = labels[logits.argmax(1) == labels]
            right += torch.bincount(hit.cpu(), minlength=classes)
            total += torch.bincount(labels.cpu(), minlength=classes)
        shares = (right / total).tolist()
        by_class = [None if math.isnan(share) else share for share in shares]
        accuracy = float(right.sum() / total.sum())
        return Scores(loss / len(split), {"accuracy": accuracy}, {"by_class": by_class})

    def batches(self, split: Split, size: int) -> Iterator[Batch]:
        """All of a split."""
        for start in range(0, len(split), size):
            yield self._batch(split, slice(start, start + size))

    def normalised(self, pixels: object) -> Tensor:
        """uint8 ``[B, C, H, W]`` as float32 ``[B, channels, H, W]``, channels last in memory."""
        return self.codec.normalised(pixels, self.device)

    def _batch(self, split: Split, rows: Rows | slice) -> Batch:
        labels = torch.from_numpy(split.labels[rows].copy())
        return Batch((self.normalised(split.images[rows]),), labels.to(self.device))


def _forward(model: nn.Module, x: Tensor) -> Tensor:
    try:
        logits: Tensor = model(x)
    except ValueError as error:
        if not of_one_value(error):
            raise
        raise RegardError(
            "batch normalisation cannot learn from one image a step; batch 2 or more would work"
        ) from error
    return logits
