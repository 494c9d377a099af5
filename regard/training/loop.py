"""One training loop: seeds, budget, resume. The same run gives the same bits, interrupted or not.

All randomness of an epoch (order of the data, dropout) is drawn from generators seeded by the run's
seed and the number of the epoch. So nothing of the random state needs to be kept, and two networks
trained with one seed see the same batches in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data import Images
from ..errors import RegardError
from ..tasks import ImageTask, Scores, Task
from ..tasks.task import Batch, epoch_seed
from . import checkpoint
from .budget import Budget, make_optimizer, rate_at
from .determinism import seeded

OnEpoch = Callable[[Sequence[Mapping[str, float]]], None]


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one training.

    Args:
        epochs: for each epoch ``{"epoch", "loss", "train_accuracy"}`` and the task's measures, such
            as ``"accuracy"``, on validation where there is one, else on test. Nothing is chosen by
            them.
        scores: on test after the last epoch.
    """

    epochs: tuple[Mapping[str, float], ...]
    scores: Scores

    @property
    def accuracy(self) -> float:
        """Share of the test items, images or words or texts, answered rightly."""
        return self.scores.measures["accuracy"]

    @property
    def loss(self) -> float:
        """Mean cross-entropy on test."""
        return self.scores.loss

    @property
    def by_class(self) -> tuple[float, ...]:
        """Of images the accuracy for each class, NaN for a class without test images."""
        shares = self.scores.parts["by_class"]
        return tuple(math.nan if share is None else share for share in shares)

    def facts(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            **self.scores.measures,
            "loss": self.scores.loss,
            **self.scores.parts,
            "epochs": [dict(epoch) for epoch in self.epochs],
        }


def train(
    model: nn.Module,
    data: Images | Task,
    budget: Budget | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    channels: int | None = None,
    folder: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> Run:
    """Train a network on a task and test it after the last epoch.

    Args:
        model: for images ``[B, C, H, W]`` → ``[B, classes]``; trained in place, moved to
            ``device``.
        data: images, or any task: train and test, and validation if wanted.
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
        RegardError: if the network's output does not fit the task, the loss is no longer finite,
            or the folder cannot be written.
    """
    budget = budget or Budget()
    task = ImageTask.of(data, device, channels) if isinstance(data, Images) else data.to(device)
    task.prepare(model)
    optimizer = make_optimizer(model, budget)
    epochs = checkpoint.resume(folder, model, optimizer) if folder else []
    loop = _Loop(model, optimizer, task, budget, seed)
    scores: Scores | None = None
    for epoch in range(len(epochs), budget.epochs):
        loss, train_accuracy = loop.epoch(epoch)
        scores = task.evaluate(model, task.held_out)
        epochs.append(
            {"epoch": epoch + 1, "loss": loss, "train_accuracy": train_accuracy}
            | dict(scores.measures)
        )
        if folder:
            checkpoint.keep(folder, model, optimizer, epochs)
        if on_epoch:
            on_epoch(epochs)
    if scores is None or task.held_out != "test":
        scores = task.evaluate(model, "test")
    if not math.isfinite(scores.loss):
        raise RegardError("the loss on the test part is not finite; a lower rate may work")
    return Run(tuple(epochs), scores)


@dataclass(frozen=True, slots=True)
class _Loop:
    model: nn.Module
    optimizer: torch.optim.Optimizer
    task: Task
    budget: Budget
    seed: int

    def epoch(self, epoch: int) -> tuple[float, float]:
        """Train for one epoch; mean loss and share of right answers on the way."""
        self.model.train()
        order = self.task.order(self.budget.batch, seed=self.seed, epoch=epoch)
        steps, items, loss, right = len(order), 0, 0.0, 0.0
        with seeded(epoch_seed(self.seed, epoch)):
            for step, rows in enumerate(order, start=epoch * steps):
                # The middle of a step, so that neither the first nor the last one stands still.
                share = (step + 0.5) / (self.budget.epochs * steps)
                mean, count, hits = self._step(self.task.batch(rows), share)
                items, loss, right = items + count, loss + mean * count, right + hits
                if not math.isfinite(loss):
                    raise RegardError(
                        f"the loss is no longer finite in epoch {epoch + 1}; a learning rate "
                        f"below {self.budget.rate:g} may work"
                    )
        return loss / items, right / items

    def _step(self, batch: Batch, share: float) -> tuple[float, int, float]:
        """One step of the optimizer: mean loss, number of items and of right answers."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.budget.rate * rate_at(share) * group["factor"]
        self.optimizer.zero_grad()
        loss = self.task.loss(self.model, batch)
        loss.mean.backward()
        if self.budget.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.budget.clip)
        self.optimizer.step()
        return float(loss.mean.detach()), loss.items, loss.right
