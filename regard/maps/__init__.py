"""What a running model attends to, seen without touching it.

Order: places, tracks, finding, keeping, rows, fused, contracting, softmaxes, following, readers,
compiled, recording.

Attention comes down to a few calls, whoever wrote the model: the shared operations of this package,
PyTorch's fused attention, and what a softmax or a sigmoid leads to. A ``TorchFunctionMode`` on top
of the running model sees each call and lets it through.
"""

from __future__ import annotations

from .finding import KINDS, Kind, Map, coverage
from .keeping import Keep
from .places import Places
from .recording import Recording, record

__all__ = ["KINDS", "Keep", "Kind", "Map", "Places", "Recording", "coverage", "record"]
