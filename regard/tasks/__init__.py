"""Tasks: data with all that belongs to it, networks, batches, loss and measures.

Order: grammar, network, scores, task, image_codec, images, codec, encoding, translator, labeller,
text, translation, tagging, classification, reading, opening, kept.
"""

from .classification import ClassificationTask
from .images import ImageTask
from .kept import data_folder, keep, reopen
from .network import Network
from .opening import open_task
from .reading import Reading
from .tagging import TaggingTask
from .task import Batch, Loss, Scores, Task
from .text import TextTask
from .translation import TranslationTask

__all__ = [
    "Batch", "ClassificationTask", "ImageTask", "Loss", "Network", "Reading", "Scores",
    "TaggingTask", "Task", "TextTask", "TranslationTask", "data_folder", "keep", "open_task",
    "reopen",
]  # fmt: skip
