"""What the experiments here share: training from a seed, and means with their intervals."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from regard.comparison.statistics import summary
from regard.data import Images
from regard.page import aligned
from regard.tasks import Network, Task
from regard.training import Budget, Run, train


def trained(task: Task, network: Network, budget: Budget, seed: int) -> tuple[nn.Module, Run]:
    """A network of a task, its weights and the order of the data drawn from the seed."""
    torch.manual_seed(seed)
    model = task.build(network)
    return model, train(model, task, budget, seed=seed)


def trained_on(images: Images, build: Callable[[], nn.Module], budget: Budget, seed: int) -> Run:
    """The same for images and a function that builds a network."""
    torch.manual_seed(seed)
    return train(build(), images, budget, seed=seed)


def percent(values: Iterable[float]) -> str:
    """``98.2 [97.1, 99.3]``: mean of shares over seeds in per cent with the 95 % t-interval.

    Where all seeds agree there is no interval.
    """
    mean, low, high = (100 * value for value in summary(values))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]" if math.isfinite(high) else f"{mean:.1f}"


def show(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first row is its head."""
    print(f"{title}\n\n{aligned(rows)}\n", flush=True)


def options(text: str | None, seeds: int) -> argparse.ArgumentParser:
    """The command line of an experiment."""
    parser = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=seeds, help="how often all is trained")
    parser.add_argument("--quick", action="store_true", help="so little that it shows nothing")
    return parser
