"""timm's modules for the same mechanisms, to be timed beside ours."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from ..errors import RegardError, cause

_MODULES = {  # mechanism → file of timm.layers and class there
    "se": ("squeeze_excite", "SEModule"),
    "eca": ("eca", "EcaModule"),
    "cbam": ("cbam", "CbamModule"),
    "cbam_channel": ("cbam", "ChannelAttn"),
    "cbam_spatial": ("cbam", "SpatialAttn"),
    "ge": ("gather_excite", "GatherExcite"),
    "gc": ("global_context", "GlobalContext"),
    "non_local": ("non_local_attn", "NonLocalAttn"),
    "coordinate": ("coord_attn", "CoordAttn"),
    "multihead": ("attention", "Attention"),
}
_IN_NETWORKS = ("se", "eca", "cbam")  # names that timm's networks know too


def timm_module(mechanism: str, size: int) -> nn.Module:
    """timm's module with its own default options, its weights drawn from PyTorch's random state.

    Raises:
        RegardError: where timm has none, is not installed, or fails, in a few words.
    """
    if mechanism not in _MODULES:
        raise RegardError(f"timm has no {mechanism}")
    file, name = _MODULES[mechanism]
    try:
        made = getattr(import_module(f"timm.layers.{file}"), name)
        module: nn.Module = made() if mechanism == "cbam_spatial" else made(size)
    except ImportError as error:
        raise RegardError(f"timm is not there: {cause(error, 80)}") from error
    except Exception as error:
        raise RegardError(f"timm's {name} cannot be built: {cause(error, 80)}") from error
    return module


def timm_network(host: str, mechanism: str, classes: int) -> nn.Module:
    """A network of timm with timm's own module in every block.

    Raises:
        RegardError: where that cannot be had, in a few words.
    """
    source, _, name = host.partition(":")
    if source != "timm" or mechanism not in _IN_NETWORKS:
        raise RegardError(f"timm has no {name or source} with {mechanism}")
    try:
        timm = import_module("timm")
        block = {"attn_layer": mechanism}
        model: nn.Module = timm.create_model(name, num_classes=classes, block_args=block)
    except ImportError as error:
        raise RegardError(f"timm is not there: {cause(error, 80)}") from error
    except Exception as error:
        raise RegardError(f"timm has no {name} with {mechanism}: {cause(error, 80)}") from error
    return model
