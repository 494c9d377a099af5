"""One training loop: seeds, budget, resume. The same run gives the same bits, interrupted or not.

All randomness of an epoch (order of the data, dropout) is drawn from generators seeded by the run's
seed and the number of the epoch. So nothing of the random state needs to be kept, and two networks
trained with one seed see the same images in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..data import Images
from ..errors import RegardError
from . import checkpoint
from .budget import Budget, make_optimizer, rate_at
from .feed import Feed, evaluate


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one training.

    Args:
        epochs: for each epoch ``{"epoch", "loss", "train_accuracy", "accuracy"}``; ``accuracy`` is
            on validation where there is one, else on test. Nothing is chosen by it.
        accuracy: share of the test images answered rightly after the last epoch.
        loss: mean cross-entropy on test after the last epoch.
        by_class: accuracy for each class, NaN for a class without test images.
    """

    epochs: tuple[Mapping[str, float], ...]
    accuracy: float
    loss: float
    by_class: tuple[float, ...]


def train(
    model: nn.Module,
    images: Images,
    budget: Budget | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    folder: Path | None = None,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> Run:
    """Train a network on images and test it after the last epoch.

    Args:
        model: ``[B, C, H, W]`` → ``[B, classes]``; trained in place, moved to ``device``.
        images: train and test, and validation if wanted.
        budget: epochs, batch, learning rate, decay.
        seed: of the order of the data and of dropout. The weights are the caller's.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        folder: if given, a checkpoint is kept there after each epoch, and a run that was stopped
            goes on from it, to the same result bit for bit.
        on_epoch: called after each epoch that is trained now.

    Returns:
        The run.

    Raises:
        RegardError: if the loss is no longer finite, or the folder cannot be written.
    """
    budget = budget or Budget()
    model.to(device).to(memory_format=torch.channels_last)
    feed = Feed.of(images, device)
    optimizer = make_optimizer(model, budget)
    epochs = checkpoint.resume(folder, model, optimizer) if folder else []
    loop = _Loop(model, optimizer, feed, budget, seed)
    for epoch in range(len(epochs), budget.epochs):
        loss, train_accuracy = loop.epoch(epoch)
        accuracy, _, _ = evaluate(model, feed, images.validation or images.test)
        epochs.append(
            {"epoch": epoch + 1, "loss": loss, "train_accuracy": train_accuracy}
            | {"accuracy": accuracy}
        )
        if folder:
            checkpoint.keep(folder, model, optimizer, epochs)
        if on_epoch:
            on_epoch(epochs[-1])
    return Run(tuple(epochs), *evaluate(model, feed, images.test))


@dataclass(frozen=True, slots=True)
class _Loop:
    model: nn.Module
    optimizer: torch.optim.Optimizer
    feed: Feed
    budget: Budget
    seed: int

    def epoch(self, epoch: int) -> tuple[float, float]:
        """Train for one epoch; mean loss and share of right answers on the way."""
        self.model.train()
        split = self.feed.images.train
        mixed = (self.seed * 1_000_003 + epoch * 7919 + 17) % (1 << 63)
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(mixed))
        steps = math.ceil(len(split) / self.budget.batch)
        loss, right = 0.0, 0.0
        with torch.random.fork_rng():
            torch.manual_seed(mixed)
            for step, batch in enumerate(
                self.feed.batches(split, self.budget.batch, order), start=epoch * steps + 1
            ):
                found = self._step(*batch, step / (self.budget.epochs * steps))
                loss, right = loss + found[0], right + found[1]
        if not math.isfinite(loss):
            raise RegardError(
                f"the loss is no longer finite in epoch {epoch + 1}; a learning rate below "
                f"{self.budget.rate:g} may work"
            )
        return loss / len(split), right / len(split)

    def _step(self, x: torch.Tensor, labels: torch.Tensor, share: float) -> tuple[float, float]:
        """One step of the optimizer: summed loss and number of right answers."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.budget.rate * rate_at(share) * group["factor"]
        self.optimizer.zero_grad()
        logits = self.model(x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        right = (logits.detach().argmax(1) == labels).sum()
        return float(loss.detach()) * len(labels), float(right)
