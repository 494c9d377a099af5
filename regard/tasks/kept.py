"""A task kept in a folder, for the processes that train on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data import Images
from .images import ImageTask
from .task import Task


def data_folder(folder: Path, fingerprint: str) -> Path:
    """Where the data of a fingerprint lies."""
    return folder / "data" / fingerprint[:16]


def keep(task: Task, folder: Path) -> None:
    """Write what belongs to a task; :func:`reopen` needs its facts too.

    Raises:
        RegardError: if it cannot be written.
    """
    task.data.save(data_folder(folder, task.data.fingerprint))


def reopen(folder: Path, fingerprint: str, facts: Mapping[str, Any]) -> Task:
    """The task of which the facts were kept, on the CPU.

    Raises:
        RegardError: if something of it is not there any more, or damaged.
    """
    images = Images.load(data_folder(folder, fingerprint), check=False)
    return ImageTask.of(images, channels=facts["channels"])
