"""Tasks: data with all that belongs to it, networks, batches, loss and measures.

Order: scores, network, task, images, kept.
"""

from .images import ImageTask
from .kept import data_folder, keep, reopen
from .network import Network
from .task import Batch, Loss, Scores, Task

__all__ = [
    "Batch", "ImageTask", "Loss", "Network", "Scores", "Task", "data_folder", "keep", "reopen",
]  # fmt: skip
