"""Writing a gated map over itself, where its owner allows it.

A fresh output as large as the map costs more than the gating itself. An operation may write into
its input only if the caller inside the mechanism needs it no more (``spent``) and the owner outside
has said that nobody else holds it (``overwriting``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class _Allowed(threading.local):
    place = 0
    size = 0


_allowed = _Allowed()


@contextmanager
def overwriting(x: Tensor) -> Iterator[None]:
    """Allow what runs inside the ``with`` block, on this thread and without gradients, to write
    over ``x``: nobody outside may need its values any more, under any view."""
    before = _allowed.place, _allowed.size
    _allowed.place, _allowed.size = x.data_ptr(), x.numel()
    try:
        yield
    finally:
        _allowed.place, _allowed.size = before


def may_overwrite(x: Tensor) -> bool:
    """Whether ``x``, or a view of all of it, was given away."""
    if not _allowed.place or torch.is_grad_enabled():
        return False
    return x.data_ptr() == _allowed.place and x.numel() == _allowed.size
