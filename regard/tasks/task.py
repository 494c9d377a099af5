"""What training and comparison know of a task: data, batches, a loss, and how well a network does.

A task is data with all that belongs to it: how a network for it is built, what a batch is, what is
learned and what is measured. Training, comparison and reports are written once, for any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .network import Network

Rows = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """What goes into a network, ``model(*inputs)``, and what is to come out."""

    inputs: tuple[Tensor, ...]
    targets: Tensor


class Loss(NamedTuple):
    """The mean loss of a batch, of how many items, and how many of them were right."""

    mean: Tensor
    items: int
    right: float


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a network does on one part of the data.

    Args:
        loss: mean cross-entropy of an item.
        measures: name → share in 0..1, that which is compared among them.
        parts: a measure taken apart, plain data for JSON: ``by_class``, ``by_length``, …; and what
            else should be known of how it was measured.
    """

    loss: float
    measures: Mapping[str, float]
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attended:
    """What a network attended with on one text.

    Args:
        rows, columns: tokens that looked, and that were looked at.
        weights: place in the network → ``[h, rows, columns]``, float32 on the CPU.
        caption: what else is to be told, such as what was to come out.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    weights: Mapping[str, Tensor]
    caption: str = ""


class Data(Protocol):
    """Images or texts: split, described, fingerprinted, kept."""

    @property
    def name(self) -> str:
        """How reports call it."""

    @property
    def fingerprint(self) -> str:
        """Sha256 over its content, 64 hexadecimal digits."""

    def describe(self) -> str:
        """A few lines for a terminal."""

    def save(self, folder: str | Path) -> Path:
        """Write it to a folder of its own."""


class Task(Protocol):
    """One task. Nothing in it changes while networks are trained on it.

    Everything random is drawn from the seed and the number of the epoch that it is given, so that
    two networks trained with one seed see the same batches in the same order.
    """

    @property
    def kind(self) -> str:
        """``images``, ``translation``, ``tagging`` or ``classification``."""

    @property
    def measure(self) -> str:
        """What is compared: the name of a share in 0..1 among the measures."""

    @property
    def data(self) -> Data:
        """What it is about."""

    @property
    def held_out(self) -> str:
        """``validation`` where there is such a part, else ``test``: learning curves are of it."""

    @property
    def answers(self) -> int:
        """How many answers of test are judged; a share of them moves in steps of one over this."""

    def facts(self) -> dict[str, Any]:
        """All of it beside the data that decides a training, as plain data."""

    def to(self, device: str | torch.device) -> Self:
        """The same task with its batches on a device."""

    def build(self, network: Network) -> nn.Module:
        """A network for it, on the CPU, with fresh weights drawn from PyTorch's random state.

        Raises:
            RegardError: if there is no such network, or it does not fit the task.
        """

    def prepare(self, model: nn.Module) -> None:
        """Move a network to the device and :meth:`check` it."""

    def check(self, model: nn.Module) -> None:
        """Run a network on the device of the task, and see that it fits.

        Raises:
            RegardError: if what it returns does not fit the task.
        """

    def example(self, count: int) -> Any:
        """Some of the training data, as :func:`regard.measure` takes it; on the device."""

    def order(self, size: int, *, seed: int, epoch: int) -> Sequence[Rows]:
        """The batches of one epoch: which rows of train go together, ``size`` at most."""

    def batch(self, rows: Rows) -> Batch:
        """These rows of train."""

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """One forward of a network in training, with gradients."""

    def evaluate(self, model: nn.Module, role: str) -> Scores:
        """How well a network does on ``train``, ``test`` or ``validation``, in eval mode."""


def epoch_seed(seed: int, epoch: int) -> int:
    """One number for what is random in an epoch of a run."""
    return seed * 1_000_003 + epoch * 7919 + 17
