"""What stands between image files and a network, and is kept with it: size, colours, classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Images
from ..data.picture import decode
from ..networks import build_host
from .network import Network

ROWS = 64  # images at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCodec:
    """Image files → a class.

    Args:
        classes: their names.
        channels: that the network takes; grey images are repeated.
        shape: channels, height and width of the images that it was trained on.
        mean, std: of each channel of these, in 0..1.
    """

    kind: ClassVar[str] = "images"

    classes: tuple[str, ...]
    channels: int
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, data: Images, channels: int | None = None) -> Self:
        """That of images, for a network that takes so many channels."""
        own, height, width = data.train.images.shape[1:]
        mean, std = data.mean_std()
        shape = own, height, width
        return cls(classes=data.classes, channels=channels or own, shape=shape, mean=mean, std=std)

    def build(self, network: Network) -> nn.Module:
        """The host of a name; see :func:`regard.networks.build_host`."""
        return build_host(
            network.name, classes=len(self.classes), channels=self.channels, size=self.shape[-1],
            width=network.width, pretrained=network.pretrained,
        )  # fmt: skip

    @torch.no_grad()
    def predict(self, model: nn.Module, lines: Sequence[str]) -> list[str]:
        """The class of the image file that each line names; an empty line stays empty.

        Raises:
            RegardError: for a file that gives no image.
        """
        model.eval()
        found = ["" for _ in lines]
        named = [number for number, line in enumerate(lines) if line.strip()]
        for start in range(0, len(named), ROWS):
            some = named[start : start + ROWS]
            images = np.stack([self.read(lines[number]) for number in some])
            answers = model(self.normalised(images, next(model.parameters()).device)).argmax(1)
            for number, answer in zip(some, answers.tolist(), strict=True):
                found[number] = self.classes[answer]
        return found

    def read(self, path: str) -> Any:
        """An image file as uint8 of the shape."""
        channels, height, width = self.shape
        where = Path(os.path.expanduser(path.strip()))
        return decode(where, channels=channels, width=width, height=height)

    def example(self) -> Tensor:
        """Two black images, as a network takes them."""
        return self.normalised(np.zeros((2, *self.shape), np.uint8))

    def normalised(self, pixels: object, device: torch.device | str = "cpu") -> Tensor:
        """uint8 ``[B, C, H, W]`` as float32 ``[B, channels, H, W]``, channels last in memory."""
        mean, std = _column(self.mean, device), _column(self.std, device)
        x = torch.tensor(pixels, device=device, dtype=torch.float32).div_(255.0)
        x = x.sub_(mean).div_(std).expand(-1, self.channels, -1, -1)
        return x.contiguous(memory_format=torch.channels_last)

    def facts(self) -> dict[str, Any]:
        """All of it as plain data."""
        names = ("classes", "channels", "shape", "mean", "std")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """From what :meth:`facts` gave.

        Raises:
            KeyError, TypeError, ValueError: for anything else.
        """
        channels, height, width = map(int, facts["shape"])
        return cls(
            classes=tuple(map(str, facts["classes"])),
            channels=int(facts["channels"]),
            shape=(channels, height, width),
            mean=tuple(map(float, facts["mean"])),
            std=tuple(map(float, facts["std"])),
        )


@cache
def _column(values: tuple[float, ...], device: torch.device | str) -> Tensor:
    """A number for each channel, ``[C, 1, 1]``; copied to a device once, not with every batch."""
    return torch.tensor(values, device=device).view(-1, 1, 1)
