"""The Spatial Transformer's sampler beside ``affine_grid`` and ``grid_sample``, on the CPU.

    python benchmarks/sampling.py [--threads 2] [--seconds 20]

Modules and networks are what ``regard bench`` measures; this is the operation alone, forward and
backward, near the identity and turned by up to 43 degrees at 1.3 times the scale.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from regard.bench.allocator import memory_kept
from regard.bench.rounds import decided, race
from regard.bench.statistics import ratio
from regard.bench.wording import ratio_text
from regard.cost.timing import elapsed_ms
from regard.ops import warp

BATCH, SIDE = 64, 224


def peer(x: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, list(x.shape), align_corners=True)
    return F.grid_sample(x, grid, align_corners=True)


def thetas() -> dict[str, Tensor]:
    angle = torch.rand(BATCH) * 1.5 - 0.75
    rows = [(angle.cos(), -angle.sin(), 0 * angle), (angle.sin(), angle.cos(), 0 * angle)]
    turned = 1.3 * torch.stack([torch.stack(row, -1) for row in rows], 1)
    return {"near": torch.eye(2, 3) + 0.05 * torch.randn(BATCH, 2, 3), "turned": turned}


def step(sampler, x: Tensor, theta: Tensor, dy: Tensor) -> None:
    torch.autograd.grad(sampler(x, theta), (x, theta), dy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x = torch.randn(BATCH, 3, SIDE, SIDE, requires_grad=True)
    dy = torch.randn(BATCH, 3, SIDE, SIDE)
    with memory_kept() as memory:
        print(f"torch {torch.__version__}, {options.threads} threads; {memory}")
        for name, theta in thetas().items():
            theta.requires_grad_()
            runs = {
                who: partial(elapsed_ms, partial(step, sampler, x, theta, dy), x.device)
                for who, sampler in (("ours", warp), ("grid_sample", peer))
            }
            times = race(runs, decided, options.seconds)
            found = ratio(times["ours"], times["grid_sample"])
            print(f"{name}: ours over grid_sample {ratio_text(found)}, {found.verdict}")


if __name__ == "__main__":
    main()
