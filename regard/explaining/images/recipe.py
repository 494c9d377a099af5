"""How the weights came about: ``python -m regard.explaining.images.recipe FASHION FOLDER MINUTES``.

``FASHION`` is a folder with the four IDX files of Fashion-MNIST. Each picture is turned, shrunk and
moved anew whenever it is seen, so that the Spatial Transformer has something to undo. The network
learns without a gate; then each gate is fitted alone, all else as it is, so that all three weigh
the same maps.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import Split, load_images
from ...errors import RegardError
from ...ops import warp
from ...ops.excitation import ScaledSigmoid
from ...surgery import plugged
from .network import CLASSES, GATES, SIDE, GatedNetwork, build, only

BATCH, RATE = 128, 3e-3
TURN, SMALLEST = math.pi / 4, 0.55  # furthest to either side, and of the canvas
FITTED, STEPS, FIT_RATE = 8000, 500, 1e-2  # pictures, steps and rate of a gate
# A gate costs something where it is not one half on average over pictures and places: or else all
# would open wide, as nothing behind them would miss it.
MIDDLE = 0.3
ALIVE = 0.5  # first bias of the two hidden units, since one that is never above zero never learns
BEGINNINGS = 4  # of a gate; the one is kept whose gates differ most from picture to picture


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
    x, y = (2 * draws[2:] - 1) * (1 - scale)  # upright, all of it stays on the canvas
    across, down = angle.cos() / scale, angle.sin() / scale
    theta = torch.stack(
        [across, down, -across * x - down * y, -down, across, down * x - across * y], 1
    )
    return warp(pixels.float() / 255, theta.unflatten(1, (2, 3)), (SIDE, SIDE))


def some(data: Split, rows: Tensor, numbers: torch.Generator) -> tuple[Tensor, Tensor]:
    """These pictures, distorted, and their labels."""
    x = distort(torch.from_numpy(data.images[rows.numpy()]), numbers)
    return x, torch.from_numpy(data.labels[rows.numpy()])


def train(network: GatedNetwork, data: Split, minutes: float) -> None:
    """Adam for some minutes of processor time, the rate falling to zero; no gate is on."""
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    numbers = torch.Generator().manual_seed(0)
    begun, step, mean = time.process_time(), 0, 0.0
    network.train()
    with only(network, "spatial_transformer"):
        while (part := (time.process_time() - begun) / 60 / minutes) < 1:
            _set_rate(optimiser, RATE * min(1.0, part * 50) * (1 - part))
            rows = torch.randint(len(data), (BATCH,), generator=numbers)
            x, labels = some(data, rows, numbers)
            loss = F.cross_entropy(network(x), labels)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            step, mean = step + 1, 0.99 * (mean or loss.item()) + 0.01 * loss.item()
            if step % 200 == 0:
                print(f"step {step}: {mean:.3f}", file=sys.stderr, flush=True)
    network.eval()


@torch.no_grad()
def maps_of(network: GatedNetwork, data: Split) -> tuple[Tensor, Tensor]:
    """What enters the gates ``[N, C, H, W]``, and the labels."""
    numbers = torch.Generator().manual_seed(2)
    rows = torch.randperm(len(data), generator=numbers)[:FITTED].split(500)
    with only(network, "spatial_transformer"):
        pairs = [some(data, part, numbers) for part in rows]
        found = [(network.maps(network.stem(x)), labels) for x, labels in pairs]
    maps, labels = zip(*found, strict=True)
    return torch.cat(maps), torch.cat(labels)


def fit(network: GatedNetwork, gate: nn.Module, maps: Tensor, labels: Tensor) -> float:
    """Fit one gate, and nothing else; how much it then differs from picture to picture."""
    found: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _given, out: found.append(out))
        for module in gate.modules()
        if isinstance(module, ScaledSigmoid)
    ]
    optimiser = torch.optim.Adam(gate.parameters(), FIT_RATE)
    gate.train()
    for step in range(STEPS):
        _set_rate(optimiser, FIT_RATE * (1 - step / STEPS))
        rows = torch.randint(len(maps), (BATCH,))
        found.clear()
        loss = F.cross_entropy(network.head(gate(maps[rows]).mean((2, 3))), labels[rows])
        for gates in found:  # [B, C] or [B, 1, H, W]
            means = gates.unsqueeze(-1).flatten(2).mean((0, 2))
            loss = loss + MIDDLE * (means - 0.5).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    gate.eval()
    for hook in hooks:
        hook.remove()
    return found[0].detach().flatten(1).std(0).mean().item()


def fit_best(network: GatedNetwork, name: str, maps: Tensor, labels: Tensor) -> None:
    """Fit a gate from several beginnings and keep the liveliest."""
    gate = plugged(network).mechanisms()[f"gates.{name}"]
    best, kept = -1.0, gate.state_dict()
    for beginning in range(BEGINNINGS):
        torch.manual_seed(beginning)
        _begin(gate)
        spread = fit(network, gate, maps, labels)
        print(f"{name}: gates differ by {spread:.3f}", file=sys.stderr, flush=True)
        if spread > best:
            best, kept = spread, {key: value.clone() for key, value in gate.state_dict().items()}
    gate.load_state_dict(kept)


def _begin(gate: nn.Module) -> None:
    for module in gate.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.BatchNorm2d):
            module.reset_parameters()
    for name, parameter in gate.named_parameters():
        if name.endswith("reduce.bias"):
            nn.init.constant_(parameter, ALIVE)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


@torch.no_grad()
def right(network: nn.Module, data: Split, *names: str) -> float:
    """Share of pictures, distorted once and for all, told right with these mechanisms on."""
    numbers, found = torch.Generator().manual_seed(1), 0
    with only(network, *names):
        for rows in torch.arange(len(data)).split(500):
            x, labels = some(data, rows, numbers)
            found += int((network(x).argmax(1) == labels).sum())
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
    maps, labels = maps_of(network, learned)
    for name in GATES:
        fit_best(network, name, maps, labels)
    network.load_state_dict({n: v.half().float() for n, v in network.state_dict().items()})
    keep(network, describe(network, learned, held), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
