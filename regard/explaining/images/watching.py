"""What goes into a mechanism and comes out of it, while a network looks at a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...maps import record
from ...ops import using

Kinds = Mapping[str, tuple[type[nn.Module], ...]]


@dataclass(frozen=True, slots=True)
class Pass:
    """One mechanism in one forward pass.

    Args:
        module: the mechanism.
        given, out: its map before and after, ``[C, H, W]``.
        gates: that it multiplied by, in order, ``[C, 1, 1]`` or ``[1, H, W]``.
        thetas: that it sampled by, ``[2, 3]``.
    """

    module: nn.Module
    given: Tensor
    out: Tensor
    gates: tuple[Tensor, ...]
    thetas: tuple[Tensor, ...]


def watch(network: nn.Module, x: Tensor, kinds: Kinds) -> tuple[dict[str, Pass], Tensor]:
    """Run a network on a picture ``[1, C, H, W]``.

    Args:
        network: in eval mode.
        x: as the network takes it.
        kinds: the classes looked for, by name; what inherits from them may compute otherwise. Of
            several of a kind the first that runs on maps is taken.

    Returns:
        What was seen of each kind, in the order of running, and the network's scores ``[K]``.
    """
    names: dict[nn.Module, str] = {m: name for name, m in network.named_modules()}
    kind_of = {cls: name for name, classes in kinds.items() for cls in classes}
    given: dict[nn.Module, Tensor] = {}
    out: dict[nn.Module, Tensor] = {}

    def enter(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if args and args[0].dim() == 4:
            given.setdefault(module, args[0][0].clone())  # a gate may write over its map

    def leave(module: nn.Module, args: object, result: Tensor) -> None:
        out.setdefault(module, result[0].clone())

    wanted: list[nn.Module] = [m for m in names if type(m) in kind_of]
    hooks = [m.register_forward_pre_hook(enter) for m in wanted]
    hooks += [m.register_forward_hook(leave) for m in wanted]
    try:
        with torch.inference_mode(), using("torch"), record(network) as maps:
            scores = network(x)[0]
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[str, Pass] = {}
    for module, before in given.items():
        inside = [m for m in maps if _within(m.site, names[module])]
        gates, thetas = (tuple(m.values[0] for m in inside if m.kind == kind and m.call < 2)
                         for kind in ("gate", "theta"))  # fmt: skip
        found.setdefault(kind_of[type(module)], Pass(module, before, out[module], gates, thetas))
    return found, scores


def _within(site: str, name: str) -> bool:
    return site == name or site.startswith(f"{name}.")
