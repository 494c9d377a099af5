"""One training loop: seeds, budget, resume. The same run gives the same bits, interrupted or not.

All randomness of an epoch (order of the data, dropout) is drawn from generators seeded by the run's
seed and the number of the epoch. So nothing of the random state needs to be kept, and two networks
trained with one seed see the same images in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import Images
from ..errors import RegardError
from ..networks import check_host
from . import checkpoint
from .budget import Budget, make_optimizer, rate_at
from .determinism import seeded
from .feed import Feed, evaluate

OnEpoch = Callable[[Sequence[Mapping[str, float]]], None]


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
    channels: int | None = None,
    folder: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Train a network on images and test it after the last epoch.

    Args:
        model: ``[B, C, H, W]`` → ``[B, classes]``; trained in place, moved to ``device``.
        images: train and test, and validation if wanted.
        budget: epochs, batch, learning rate, decay.
        seed: of the order of the data and of dropout. The weights are the caller's.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        channels: that the network takes, where grey images are to be repeated.
        folder: if given, a checkpoint is kept there after each epoch, and a run that was stopped
            goes on from it, to the same result bit for bit.
        on_epoch: called after each epoch that is trained now, with all epochs done so far.

    Returns:
        The run.

    Raises:
        RegardError: if the network's output does not fit the classes, the loss is no longer finite,
            or the folder cannot be written.
    """
    budget = budget or Budget()
    model.to(device).to(memory_format=torch.channels_last)
    feed = Feed.of(images, device, channels)
    check_host(model, len(images.classes), feed.example(2))
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
            on_epoch(epochs)
    accuracy, loss, by_class = evaluate(model, feed, images.test)
    if not math.isfinite(loss):
        raise RegardError("the loss on the test images is not finite; a lower rate may work")
    return Run(tuple(epochs), accuracy, loss, by_class)


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
        mixed = self.seed * 1_000_003 + epoch * 7919 + 17
        order = self._order(mixed)
        steps = math.ceil(len(order) / self.budget.batch)
        loss, right = 0.0, 0.0
        with seeded(mixed):
            batches = self.feed.batches(self.feed.images.train, self.budget.batch, order)
            for step, batch in enumerate(batches, start=epoch * steps):
                # The middle of a step, so that neither the first nor the last one stands still.
                found = self._step(*batch, (step + 0.5) / (self.budget.epochs * steps))
                loss, right = loss + found[0], right + found[1]
                if not math.isfinite(loss):
                    raise RegardError(
                        f"the loss is no longer finite in epoch {epoch + 1}; a learning rate "
                        f"below {self.budget.rate:g} may work"
                    )
        return loss / len(order), right / len(order)

    def _order(self, seed: int) -> Tensor:
        """All training images, shuffled; a last batch of one, which BatchNorm refuses, is left."""
        size = len(self.feed.images.train)
        generator = torch.Generator().manual_seed(seed % (1 << 63))
        order = torch.randperm(size, generator=generator)
        return order[:-1] if size > 1 and size % self.budget.batch == 1 else order

    def _step(self, x: Tensor, labels: Tensor, share: float) -> tuple[float, float]:
        """One step of the optimizer: summed loss and number of right answers."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.budget.rate * rate_at(share) * group["factor"]
        self.optimizer.zero_grad()
        logits = self._forward(x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        right = (logits.detach().argmax(1) == labels).sum()
        return float(loss.detach()) * len(labels), float(right)

    def _forward(self, x: Tensor) -> Tensor:
        try:
            logits: Tensor = self.model(x)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise RegardError(
                "batch normalisation cannot learn from one image a step; batch 2 or more would work"
            ) from error
        return logits
