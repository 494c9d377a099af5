"""What network is asked of a task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network by name.

    Args:
        name: for images a host, see :func:`regard.networks.build_host`.
        width: factor on its channels.
        pretrained: load published weights.
    """

    name: str
    width: float = 1.0
    pretrained: bool = False
