"""What must not be plugged, each with what would work instead."""

from __future__ import annotations

import inspect

from torch import nn

from ..errors import RegardError, nearest
from .carrier import Side, attachment_of

_WRAPPERS = (
    "OptimizedModule",
    "DistributedDataParallel",
    "FullyShardedDataParallel",
    "FSDPModule",
    "DataParallel",
    "ScriptModule",
)
_FUSING = (
    "fuse",
    "forward_fuse",
    "fuse_convs",
    "fuse_model",
    "fuse_bn",
    "reparameterize",
    "switch_to_deploy",
    "get_equivalent_kernel_bias",
)
_FUSED = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def refuse_wrapped(model: nn.Module, name: str = "") -> None:
    """A model, or a part of it on the way to a site, that is compiled or wrapped already.

    Hooks added after compiling are ignored, and parameters added after wrapping or after the
    optimizer was built are never trained.
    """
    module = model
    for part in ["", *(name.split(".") if name else [])]:
        module = module.get_submodule(part) if part else module
        kinds = {c.__name__ for c in type(module).__mro__}
        wrapper = next((w for w in _WRAPPERS if w in kinds), None)
        if wrapper is None and getattr(module, "_compiled_call_impl", None) is not None:
            wrapper = "compiled in place"
        if wrapper is not None:
            raise RegardError(
                f"this model is {wrapper} already: plug first, then compile, wrap or build the "
                f"optimizer; what is added later is ignored or never trained"
            )


def resolve_container(name: str, module: nn.Module, side: Side) -> tuple[str, nn.Module]:
    """A Sequential stands for its last child, or for its first when acting before.

    Raises:
        RegardError: for a list of modules, which is never called, for an empty Sequential, and for
            a container with a forward of its own, which may run any child as a layer.
    """
    while isinstance(module, _CONTAINERS):
        children = list(module._modules)
        inside = ", ".join(repr(f"{name}.{c}".lstrip(".")) for c in children[:4])
        if type(module).forward is not nn.Sequential.forward:
            raise RegardError(
                f"site {name!r} is a {type(module).__name__}, a container that is not called as a "
                f"Sequential is; plug at one of its children: {inside or 'it has none'}"
            )
        if not children:
            raise RegardError(f"site {name!r} is an empty Sequential; plug at what comes before it")
        child = children[-1 if side == "after" else 0]
        name, module = f"{name}.{child}".lstrip("."), module._modules[child]
    return name, module


def refuse_fused(model: nn.Module, name: str, site: nn.Module) -> None:
    """A layer whose owner may fold or delete it: what is carried there would go with it."""
    owner_name = name.rpartition(".")[0]
    if not name or not isinstance(site, _FUSED):
        return
    owner = model.get_submodule(owner_name)
    method = next((m for m in _FUSING if callable(getattr(owner, m, None))), None)
    if method is not None:
        raise RegardError(
            f"site {name!r} may be fused away by {type(owner).__name__}.{method}(), and the "
            f"mechanism with it; plug at its owner {owner_name!r} instead"
        )


def refuse_occupied(name: str, site: nn.Module, side: Side) -> None:
    """A side of a site that carries a mechanism already."""
    found = attachment_of(site, side)
    if found is not None:
        raise RegardError(
            f"site {name!r} carries {found.record['mechanism']!r} on this side already; remove it "
            f"first, or plug at another site"
        )


def mask_arguments(model: nn.Module) -> list[str]:
    """The arguments of a host's forward that say which tokens are padding."""
    names = inspect.signature(model.forward).parameters
    exact = ("attention_mask", "mask", "input_mask", "token_mask", "text_mask", "pad_mask")
    return [n for n in names if n in exact or n.endswith("padding_mask")]


def check_mask(model: nn.Module, mask: str | bool | None, tokens: bool) -> str | None:
    """The name of the host's mask, or None where nothing is padded.

    Raises:
        RegardError: if a site holds tokens, the host takes a mask and none is named, or if the host
            has no such argument.
    """
    found = mask_arguments(model)
    if mask is False or (mask is None and not (tokens and found)):
        return None
    if mask is None or mask is True:
        raise RegardError(
            f"{type(model).__name__} takes {' and '.join(found) or 'no mask by a known name'}, and "
            f"a mechanism at a site of tokens would see the padding: say "
            f"mask={(found or ['NAME'])[0]!r}, or mask=False if nothing is ever padded"
        )
    parameters = inspect.signature(model.forward).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if mask.removeprefix("~") not in parameters and not free:
        raise RegardError(
            f"mask={mask!r}: the forward of {type(model).__name__} has no such argument"
            f"{nearest(mask, parameters)}"
        )
    return mask


def refuse_uncalled(name: str, site: nn.Module, calls: int, model: nn.Module) -> None:
    """A module whose forward is never called: its owner uses the weights in another way."""
    if calls == 0:
        owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
        raise RegardError(
            f"site {name!r} ({type(site).__name__}) was never called by {owner} on the example, so "
            f"a mechanism there would never run; plug at a module around it"
        )
