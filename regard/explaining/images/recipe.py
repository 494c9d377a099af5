"""How the weights came about: ``python -m regard.explaining.images.recipe FASHION FOLDER MINUTES``.

``FASHION`` is a folder with the four IDX files of Fashion-MNIST. Each picture is turned, shrunk and
moved anew whenever it is seen, so that the Spatial Transformer has something to undo; each batch
is gated by one of the three gates, drawn by lot, so that all learn beside the same network. A gate
costs something where it is not one half on average over pictures (and, of a spatial one, places):
or else all would open wide, as nothing behind them would miss it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import Split, load_images
from ...errors import RegardError
from ...ops import warp
from ...ops.excitation import ScaledSigmoid
from .network import CLASSES, GATES, SIDE, GatedNetwork, build, only

BATCH, RATE = 128, 3e-3
BOLD = 5.0  # gates learn so much faster: their inputs are small, and they are to be seen at work
MIDDLE = 1.0  # how much it costs where gates do not keep to one half on average
ALIVE = 0.5  # first bias of the two hidden units: one that begins below zero never learns
TURN, SMALLEST = math.pi / 4, 0.55  # furthest to either side, and of the canvas


def read(folder: str) -> tuple[Split, Split]:
    """Train and test; RegardError for a folder that holds something else."""
    images = load_images(folder)
    if images.train.images.shape[1:] != (1, 28, 28) or len(images.classes) != len(CLASSES):
        raise RegardError(f"{folder}: {images.describe()}\nthe files of Fashion-MNIST would work")
    return images.train, images.test


def distort(pixels: Tensor, numbers: torch.Generator) -> Tensor:
    """uint8 ``[B, 1, 28, 28]`` → 0..1, turned, shrunk and moved, ``[B, 1, 32, 32]``."""
    draws = torch.rand(4, len(pixels), generator=numbers)
    angle, scale = (2 * draws[0] - 1) * TURN, SMALLEST + (1 - SMALLEST) * draws[1]
    x, y = (2 * draws[2:] - 1) * (1 - scale)  # all of it stays on the canvas
    across, down = angle.cos() / scale, angle.sin() / scale
    theta = torch.stack(
        [across, down, -across * x - down * y, -down, across, down * x - across * y], 1
    )
    return warp(pixels.float() / 255, theta.unflatten(1, (2, 3)), (SIDE, SIDE))


def train(network: GatedNetwork, data: Split, minutes: float) -> None:
    """Adam for some minutes of processor time, the rate falling to zero."""
    optimiser = torch.optim.Adam(_groups(network), RATE)
    numbers = torch.Generator().manual_seed(0)
    begun, step, mean = time.process_time(), 0, 0.0
    network.train()
    while (part := (time.process_time() - begun) / 60 / minutes) < 1:
        rows = torch.randint(len(data), (BATCH,), generator=numbers)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * min(1.0, part * 50) * (1 - part)
        gate = GATES[int(torch.randint(len(GATES), (), generator=numbers))]
        loss = _loss(network, gate, data, rows, numbers)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step, mean = step + 1, 0.99 * (mean or loss.item()) + 0.01 * loss.item()
        if step % 200 == 0:
            print(f"step {step}: {mean:.3f}", file=sys.stderr, flush=True)
    network.eval()


def _groups(network: GatedNetwork) -> list[dict[str, Any]]:
    gates = [p for name, p in network.named_parameters() if name.startswith("gates.")]
    others = [p for name, p in network.named_parameters() if not name.startswith("gates.")]
    for name, parameter in network.named_parameters():
        if name.startswith("gates.") and name.endswith("reduce.bias"):
            nn.init.constant_(parameter, ALIVE)
    return [{"params": gates, "rate": BOLD * RATE}, {"params": others, "rate": RATE}]


def _loss(
    network: nn.Module, gate: str, data: Split, rows: Tensor, numbers: torch.Generator
) -> Tensor:
    x = distort(torch.from_numpy(data.images[rows.numpy()]), numbers)
    with only(network, "spatial_transformer", gate), gates_of(network) as gates:
        loss = F.cross_entropy(network(x), torch.from_numpy(data.labels[rows.numpy()]))
    for found in gates:
        loss = loss + MIDDLE * (found.flatten(2).mean((0, 2)) - 0.5).square().mean()
    return loss


@contextmanager
def gates_of(network: nn.Module) -> Iterator[list[Tensor]]:
    """The gates ``[B, C or 1, …]`` that the network computes inside the block."""
    found: list[Tensor] = []
    sigmoids = [m for m in network.modules() if isinstance(m, ScaledSigmoid)]
    hooks = [
        m.register_forward_hook(lambda _module, _given, out: found.append(out.unsqueeze(-1)))
        for m in sigmoids
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def right(network: nn.Module, data: Split, *names: str) -> float:
    """Share of pictures, distorted once and for all, told right with these mechanisms on."""
    numbers, found = torch.Generator().manual_seed(1), 0
    with only(network, *names):
        for rows in torch.arange(len(data)).split(500):
            x = distort(torch.from_numpy(data.images[rows.numpy()]), numbers)
            answers = network(x).argmax(1)
            found += int((answers == torch.from_numpy(data.labels[rows.numpy()])).sum())
    return round(found / len(data), 3)


def describe(network: nn.Module, learned: Split, held: Split) -> dict[str, Any]:
    """What the page says of the training."""
    shares = {name: right(network, held, "spatial_transformer", name) for name in GATES}
    return {
        "learned": len(learned),
        "held": len(held),
        **shares,
        "ungated": right(network, held, "spatial_transformer"),
        "unwarped": right(network, held, "se"),
    }


def keep(network: nn.Module, facts: dict[str, Any], folder: Path) -> None:
    """Weights in half precision, and the facts beside them."""
    from safetensors.torch import save_file

    weights = {name: v.half().contiguous() for name, v in network.state_dict().items()}
    save_file(weights, folder / "images.safetensors")
    (folder / "images.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main(source: str, folder: str, minutes: str = "5") -> None:
    """All of it."""
    torch.manual_seed(0)
    learned, held = read(source)
    network = build()
    train(network, learned, float(minutes))
    network.load_state_dict({n: v.half().float() for n, v in network.state_dict().items()})
    keep(network, describe(network, learned, held), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
