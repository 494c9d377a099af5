"""Self-attention against convolution on 100 to 60,000 images: where do the curves cross?

    python examples/few_images.py FOLDER_OF_FASHION_MNIST

A small residual network and a small vision Transformer (Dosovitskiy et al. 2021, arXiv:2010.11929;
patches of 7×7, learned places, the mean of all tokens) of about the same parameters see the same
number of images, drawn from training sets of growing size; of the largest, each once. The learning
rate of each did best among 0.0005 to 0.012 after 2,500 images on 2,000 others, one seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor, nn
from trials import options, percent, show, trained_on

import regard
from regard.data import Images, load_images
from regard.networks import SmallResNet
from regard.networks.sequences import LayerSetting
from regard.networks.sequences.layers import EncoderLayer
from regard.training import Budget

SIZES = (100, 500, 2_500, 12_000, 60_000)
SEEN, BATCH, HELD_OUT = 300 * 64, 64, 64


class VisionTransformer(nn.Module):
    """Patches are tokens of three layers, their mean the image: ``[B, 1, 28, 28]`` → logits."""

    def __init__(self, classes: int = 10, dim: int = 56, patch: int = 7, side: int = 28) -> None:
        super().__init__()
        setting = LayerSetting(dim=dim, heads=4, hidden=2 * dim, norm="pre", activation="gelu")
        self.patches = nn.Conv2d(1, dim, patch, patch)
        self.places = regard.get("learned", dim, length=(side // patch) ** 2)
        self.layers = nn.ModuleList(EncoderLayer(setting) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        tokens = self.places(self.patches(x).flatten(2).transpose(1, 2))
        for layer in self.layers:
            tokens = layer(tokens, None, {})
        return self.head(self.norm(tokens).mean(1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "convolution": (lambda: SmallResNet(channels=1), 1.2e-2),
    "self-attention": (VisionTransformer, 4e-3),
}


def some(images: Images, size: int, seed: int) -> Images:
    """So many training images, as many of each class as can be, and a few others as validation.

    Learning curves are of those few, which saves testing after each of many short epochs. Nothing
    is chosen by them; where all images are trained on, they are among them.
    """
    order = np.random.default_rng(seed).permutation(len(images.train))
    labels, rank = images.train.labels[order], np.empty(len(order), np.int64)
    for label in range(len(images.classes)):
        rank[labels == label] = np.arange((labels == label).sum())
    order = order[np.argsort(rank, kind="stable")]
    return replace(
        images,
        train=images.train.take(order[:size]),
        validation=images.train.take(order[-HELD_OUT:]),
        fingerprint="",
    )


def accuracy(images: Images, name: str, size: int, seen: int, seed: int) -> float:
    """On test, after training on ``size`` images until ``seen`` were seen."""
    build, rate = NETWORKS[name]
    budget = Budget(epochs=max(1, round(seen / size)), batch=BATCH, rate=rate)
    return trained_on(some(images, size, seed), build, budget, seed).accuracy


def main() -> None:
    """A row for each size."""
    parser = options(__doc__, seeds=3)
    parser.add_argument("folder", help="with the four files of Fashion-MNIST")
    given = parser.parse_args()
    images = load_images(given.folder)
    sizes, seen = (SIZES[:2], BATCH) if given.quick else (SIZES, SEEN)
    for name, (build, rate) in NETWORKS.items():
        print(f"{name}: {sum(p.numel() for p in build().parameters()):,} weights, rate {rate}")
    rows = [("images", *NETWORKS, "self-attention less convolution")]
    for size in sizes:
        conv, own = (
            np.array([accuracy(images, name, size, seen, seed) for seed in range(given.seeds)])
            for name in NETWORKS
        )
        rows.append((f"{size:,}", percent(conv), percent(own), percent(own - conv)))
        print(rows[-1], flush=True)
    show(f"accuracy in %, 95 % interval over {given.seeds} seeds; {seen:,} seen", rows)


if __name__ == "__main__":
    main()
