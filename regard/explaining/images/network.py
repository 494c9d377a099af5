"""The small network on pictures that ships with the package: its parts and its weights."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from typing import Any

import torch
from torch import Tensor, nn

from ...surgery import plug, plugged

SIDE, CHANNELS, REDUCTION = 32, 16, 8
GATES = ("se", "eca", "cbam")
CLASSES = (
    ("T-shirt", "T恤"), ("trousers", "裤子"), ("pullover", "套衫"), ("dress", "连衣裙"),
    ("coat", "外套"), ("sandal", "凉鞋"), ("shirt", "衬衫"), ("sneaker", "运动鞋"),
    ("bag", "包"), ("ankle boot", "短靴"),
)  # fmt: skip
"""Of Fashion-MNIST, in the order of its labels, in English and in Chinese."""


class GatedNetwork(nn.Module):
    """Three convolutions for grey pictures ``[B, 1, 32, 32]``; gates go behind the last one.

    SE, ECA and CBAM stand one after another, and one of them is on at a time: so all three weigh
    the very same maps, and the rest of the network is used to each of them. Behind the gates only a
    mean and one layer follow, so that much hangs on them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(1, CHANNELS), nn.MaxPool2d(2))
        self.maps = nn.Sequential(_convolution(CHANNELS, 24, 2), _convolution(24, CHANNELS, 2))
        self.gates = nn.Sequential(OrderedDict((name, nn.Identity()) for name in GATES))
        self.head = nn.Linear(CHANNELS, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, 1, H, W]`` → ``[B, 10]``."""
        maps: Tensor = self.gates(self.maps(self.stem(x)))
        scores: Tensor = self.head(maps.mean((2, 3)))
        return scores


@dataclass(frozen=True, slots=True)
class ShippedImages:
    """The network with what belongs to it.

    Args:
        network: with its mechanisms plugged, in eval mode.
        facts: what it was trained on and how well it does, for the page.
    """

    network: GatedNetwork
    facts: dict[str, Any] = field(default_factory=dict)


def build() -> GatedNetwork:
    """The network with random weights, a Spatial Transformer before it and three gates inside."""
    network = GatedNetwork()
    example = torch.zeros(2, 1, SIDE, SIDE)
    plug(network, "spatial_transformer", "stem", example=example, start="paper")
    for name in GATES:
        options: dict[str, Any] = {} if name == "eca" else {"reduction": REDUCTION}
        plug(network, name, f"gates.{name}", example=example, start="paper", **options)
    return network.eval()


def load_shipped_images() -> ShippedImages:
    """The network with the weights of the package, which are kept in half precision."""
    from safetensors.torch import load_file

    folder = files("regard.explaining") / "weights"
    facts = json.loads((folder / "images.json").read_text(encoding="utf-8"))
    network = build()
    with as_file(folder / "images.safetensors") as path:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return ShippedImages(network, facts)


@contextmanager
def only(network: nn.Module, *names: str) -> Iterator[None]:
    """Inside the block these mechanisms are on, by their name in the catalogue, and no others."""
    handle = plugged(network)
    before = {place: a.enabled for place, a in handle.attachments().items()}
    try:
        for attachment in handle.attachments().values():
            attachment.enabled = attachment.record["mechanism"] in names
        yield
    finally:
        for place, attachment in handle.attachments().items():
            attachment.enabled = before[place]


def _convolution(inputs: int, outputs: int, step: int = 1) -> nn.Sequential:
    """Convolution over pixels ``step`` apart, BatchNorm, ReLU; the map keeps its size."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=step, dilation=step, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())
