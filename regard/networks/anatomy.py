"""Where things go in a network, read from its module tree: sites, first convolution, last stage."""

from __future__ import annotations

import re
from collections import Counter

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from ..errors import RegardError
from .hosts import build_host, input_channels, input_size

_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm)
_SHORTCUTS = ("shortcut", "downsample", "skip", "proj")
_SIDE = 32  # of the images a network without a size of its own is built for


def default_sites(name_or_model: str | nn.Module) -> list[str]:
    """Where a gating mechanism goes when nobody says where, as the papers do.

    After the last normalisation of each residual branch, before the addition (SE, ECA, CBAM). A
    residual block is known by two or more convolutions and normalisations among its children, the
    last normalisation behind the last convolution: ``layer*.*.bn2`` of :class:`SmallResNet`,
    ``bn3`` of bottlenecks, of inverted residual blocks too. In other networks, convolutional or
    transformers, after each of the repeated blocks.

    Args:
        name_or_model: a network, or its name as of :func:`build_host`.

    Returns:
        Dotted names of modules, in the network's order.

    Raises:
        RegardError: where there is neither, asking for a site pattern.
    """
    model = _built(name_or_model)
    residual = _residual_blocks(model)
    if residual:
        return [f"{name}.{_branch_end(block)}" for name, block in residual.items()]
    blocks = _repeated_blocks(model)
    if not blocks:
        raise _not_found(model, "neither residual branches nor repeated blocks")
    return list(blocks)


def first_convolution(model: nn.Module) -> str:
    """Dotted name of the first ``nn.Conv2d`` in module order, where a Spatial Transformer goes.

    Raises:
        RegardError: if there is none.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return name
    raise _not_found(model, "no nn.Conv2d")


def last_stage(model: nn.Module) -> str:
    """Dotted name of the module whose output is the last feature map.

    The last of ``layer1``, ``layer2``, … where a network has such stages (``layer3`` of
    :class:`SmallResNet`, ``layer4`` of ResNets), else the last of the repeated blocks.

    Raises:
        RegardError: where there is neither, asking for a site pattern.
    """
    for prefix, parent in model.named_modules():
        stages = [
            name
            for name, child in parent.named_children()
            if re.fullmatch(r"layer\d+", name) and isinstance(child, _LISTS)
        ]
        if len(stages) > 1:
            return _joined(prefix, max(stages, key=lambda name: int(name[5:])))
    blocks = _residual_blocks(model) or _repeated_blocks(model)
    if not blocks:
        raise _not_found(model, "neither stages nor repeated blocks")
    return list(blocks)[-1]


def _built(name_or_model: str | nn.Module) -> nn.Module:
    if isinstance(name_or_model, nn.Module):
        return name_or_model
    channels, size = input_channels(name_or_model) or 3, input_size(name_or_model) or _SIDE
    with torch.random.fork_rng(devices=[]):
        return build_host(name_or_model, classes=10, channels=channels, size=size)


def _residual_blocks(model: nn.Module) -> dict[str, nn.Module]:
    return {n: m for n, m in model.named_modules() if n and _branch_end(m) is not None}


def _branch_end(block: nn.Module) -> str | None:
    """The child that is the last normalisation of a residual block's branch, if it is one."""
    if isinstance(block, _LISTS):
        return None
    branch = [(n, m) for n, m in block.named_children() if n not in _SHORTCUTS]
    convolutions = [k for k, (_, m) in enumerate(branch) if isinstance(m, _ConvNd)]
    norms = [k for k, (_, m) in enumerate(branch) if isinstance(m, _NORMS)]
    if len(convolutions) < 2 or len(norms) < 2 or norms[-1] < convolutions[-1]:
        return None
    return branch[norms[-1]][0]


def _repeated_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The blocks that a network is a row of, by name.

    Candidates stand in lists, or where no list holds any, anywhere; their type occurs there twice.
    Stages, which hold several of one type, are left out for what they hold; of the rest, the
    outermost; of these, those of the most frequent type and those that stand in the same place.
    """
    found = _candidates(model, _LISTS) or _candidates(model, (nn.Module,))
    stages = {type(block) for name, block in found.items() if _is_stage(name, found)}
    found = {n: b for n, b in found.items() if type(b) not in stages}
    found = {n: b for n, b in found.items() if not any(n.startswith(f"{o}.") for o in found)}
    if not found:
        return {}
    main = Counter(type(block) for block in found.values()).most_common(1)[0][0]
    lists = {_parent(name) for name, block in found.items() if type(block) is main}
    return {n: b for n, b in found.items() if _parent(n) in lists}


def _candidates(model: nn.Module, holders: tuple[type[nn.Module], ...]) -> dict[str, nn.Module]:
    found = {
        _joined(prefix, name): block
        for prefix, module in model.named_modules()
        if isinstance(module, holders)
        for name, block in module.named_children()
        if _is_block(block)
    }
    kinds = Counter(type(block) for block in found.values())
    return {name: block for name, block in found.items() if kinds[type(block)] > 1}


def _is_block(module: nn.Module) -> bool:
    """No list, and more than one layer with a weight matrix or kernel."""
    if isinstance(module, _LISTS):
        return False
    layers = [m for m in module.modules() if any(p.dim() > 1 for p in m.parameters(recurse=False))]
    return len(layers) > 1


def _is_stage(name: str, found: dict[str, nn.Module]) -> bool:
    inside = Counter(type(block) for other, block in found.items() if other.startswith(f"{name}."))
    return any(number > 1 for number in inside.values())


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _not_found(model: nn.Module, what: str) -> RegardError:
    return RegardError(
        f"no usual place for a mechanism in {type(model).__name__}: {what} found;\n"
        f"say where behind an @, as in --with 'none,se@features.*'; "
        f"in Python mechanisms='none,se@features.*', or plug(…, at='features.*')"
    )
