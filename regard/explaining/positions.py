"""A network that does not know where its tokens stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..networks.sequences.positions import Positions


@contextmanager
def without_positions(network: nn.Module) -> Iterator[None]:
    """The network does not know inside the block where its tokens stand."""
    found = [m for m in network.modules() if isinstance(m, Positions)]
    forms = [positions.form for positions in found]
    try:
        for positions in found:
            positions.form = ""
        yield
    finally:
        for positions, form in zip(found, forms, strict=True):
            positions.form = form
