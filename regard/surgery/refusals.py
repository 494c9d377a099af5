"""What must not be plugged, each with what would work instead."""

from __future__ import annotations

from torch import nn

from ..cards import Card
from ..errors import RegardError
from .carrier import CHILD, Carrier, Side, attachment_of
from .observation import Seen
from .patterns import host_modules

_WRAPPERS = (
    "OptimizedModule",
    "DistributedDataParallel",
    "FullyShardedDataParallel",
    "FSDPModule",
    "DataParallel",
    "ScriptModule",
)
_FUSING: tuple[str, ...] = ("fuse", "forward_fuse", "fuse_model", "fuse_bn")
_MERGING: tuple[str, ...] = (
    "fuse_convs",
    "reparameterize",
    "switch_to_deploy",
    "get_equivalent_kernel_bias",
)
_FUSED = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear)
# What a site cannot give or take, and what works instead; by a card's takes, or its position.
_KINDS = {
    "maps": "it fuses two maps and a site gives one; call it where they meet, {make}(x, y)",
    "pooled": "it makes one vector of all tokens and a site keeps its shape; call it before the "
    "classifier, {make}(tokens)",
    "convolution": "it stands in place of a convolution; set it where that is, layer.conv = {make}",
    "add": "it tells tokens their places and a model does that once; call it on the embedded "
    "tokens, {make}(tokens)",
    "rotate": "it turns queries and keys, which a site does not show; call it inside an "
    "attention, attend(turn(query), turn(key), value) with turn = {make}",
    "bias": "it biases logits, which a site does not show; call it inside an attention, "
    "attend(query, key, value, bias=code(query, key)) with code = {make}",
}
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def refuse_kind(known: Card) -> None:
    """A mechanism that takes something other than the one map or the tokens of a site."""
    why = known.waives.get("plug")
    if why is None and known.takes not in ("map", "tokens"):
        make = f"regard.get({known.name!r}, {'heads' if known.position == 'bias' else 'size'})"
        why = _KINDS[known.position or known.takes].format(make=make)
    if why is not None:
        raise RegardError(f"{known.name} cannot be plugged: {why}")


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
        if wrapper is None and compiled_in_place(module):
            wrapper = "compiled in place"
        if wrapper is not None:
            raise RegardError(
                f"this model is {wrapper} already: plug first, then compile, wrap or build the "
                f"optimizer; what is added later is ignored or never trained"
            )


def compiled_in_place(module: nn.Module) -> bool:
    """By ``model.compile()``, or by ``model.forward = torch.compile(model.forward)``."""
    return getattr(module, "_compiled_call_impl", None) is not None or hasattr(
        module.forward, "_torchdynamo_orig_callable"
    )


def resolve_container(
    model: nn.Module, name: str, module: nn.Module, side: Side
) -> tuple[str, nn.Module]:
    """A Sequential stands for its last child, or for its first when acting before.

    Raises:
        RegardError: for a list of modules, which is never called, for an empty Sequential, for a
            container with a forward of its own, which may run any child as a layer, for a
            Sequential that ends in a module that is also used elsewhere, and for what is compiled
            or wrapped.
    """
    asked = name
    while isinstance(module, _CONTAINERS):
        children = list(module._modules)
        inside = ", ".join(repr(_dotted(name, c)) for c in children[:4])
        if type(module).forward is not nn.Sequential.forward:
            raise RegardError(
                f"site {name!r} is a {type(module).__name__}, a container that is not called as a "
                f"Sequential is; plug at one of its children: {inside or 'it has none'}"
            )
        if not children:
            raise RegardError(f"site {name!r} is an empty Sequential; plug at what comes before it")
        child = children[-1 if side == "after" else 0]
        name, module = _dotted(name, child), module._modules[child]
    if name != asked:
        _refuse_shared(model, asked, name, module)
    refuse_wrapped(model, name)
    return name, module


def _refuse_shared(model: nn.Module, asked: str, name: str, module: nn.Module) -> None:
    parents = dict(host_modules(model))
    others = {
        (id(parent), key): _dotted(parent_name, key)
        for parent_name, parent in parents.items()
        for key, child in parent._modules.items()
        if child is module
    }
    if len(others) > 1:
        other = next(n for n in others.values() if n != name)
        raise RegardError(
            f"site {asked!r} stands for its child {name!r}, which is also {other!r}: a mechanism "
            f"would run at both; plug at another child, or name {name!r} itself if both are meant"
        )


def refuse_fused(model: nn.Module, name: str, site: nn.Module) -> None:
    """A layer whose owner may fold or delete it: what is carried there would go with it.

    The owner is the nearest module around it that is no container. Methods that merge branches
    delete them with all that is inside, so they count on every module around but the model.
    """
    if not name or not isinstance(site, _FUSED):
        return
    path = name.split(".")
    direct = True
    for depth in range(len(path) - 1, -1, -1):
        owner_name = ".".join(path[:depth])
        owner = model.get_submodule(owner_name)
        names = _FUSING + _MERGING if direct else _MERGING if owner_name else ()
        method = next((m for m in names if callable(getattr(owner, m, None))), None)
        container = isinstance(owner, _CONTAINERS)
        if method is not None:
            free = repr(owner_name) if owner_name and not container else "a module around or after"
            raise RegardError(
                f"site {name!r} may be fused away by {type(owner).__name__}.{method}(), and the "
                f"mechanism with it; plug at {free} instead"
            )
        direct = direct and container


def refuse_occupied(name: str, site: nn.Module, side: Side) -> None:
    """A side of a site that carries a mechanism already, or a host that uses our name itself."""
    found = attachment_of(site, side)
    if found is not None:
        raise RegardError(
            f"site {name!r} carries {found.record['mechanism']!r} on this side already; remove it "
            f"first, or plug at another site"
        )
    if hasattr(site, CHILD) and not isinstance(getattr(site, CHILD), Carrier):
        raise RegardError(
            f"site {name!r} has an attribute {CHILD!r} of its own, the name under which a "
            f"mechanism is carried; plug at a module around it or at one of its children"
        )


def tensors_of(
    name: str, site: nn.Module, calls: list[Seen | None], model: nn.Module
) -> list[Seen]:
    """What the calls of a site showed.

    Raises:
        RegardError: for a module whose forward is never called, because its owner uses the weights
            in another way, and for one whose calls show no floating-point tensor.
    """
    if not calls:
        owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
        raise RegardError(
            f"site {name!r} ({type(site).__name__}) was never called by {owner} on the example, so "
            f"a mechanism there would never run; plug at a module around it"
        )
    seen = [s for s in calls if s is not None]
    wrong = next((str(s.dtype) for s in seen if not s.dtype.is_floating_point), "")
    if wrong or not seen:
        raise RegardError(
            f"site {name!r} ({type(site).__name__}) shows {wrong or 'no tensor'}, and attention "
            f"needs a floating-point tensor, alone or first in a tuple, a list or a mapping; plug "
            f"at a module inside or around it"
        )
    return seen


def _dotted(name: str, child: str) -> str:
    return f"{name}.{child}" if name else child
