"""How a mechanism is carried: a child module named ``regard`` on the site, and a hook that runs it.

The hooks are functions of this module, so a plugged model can be copied, pickled, traced, compiled
and exported; everything they need is on the carrier.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops import from_map, from_tokens, to_map, to_tokens
from ..ops.layout import Layout

CHILD = "regard"
MASK = "_regard_mask"
Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = ("before", "after")
Form = Literal["map", "tokens"]


class HostMask:
    """The padding mask of the host's call, kept for the sites that need it.

    It stays until the next call, because activation checkpointing runs sites again in backward.

    Args:
        name: the host's argument. In a name with ``pad``, True (or not zero) means padding, as in
            ``torch.nn.Transformer``; in any other it means a real token, as in transformers. A
            leading ``~`` turns that round.
        host: the model whose forward takes the argument.
    """

    def __init__(self, name: str, host: nn.Module) -> None:
        self.name = name.removeprefix("~")
        self.marks_padding = ("pad" in self.name) != name.startswith("~")
        arguments = list(inspect.signature(host.forward).parameters)
        self.index = arguments.index(self.name) if self.name in arguments else len(arguments)
        self.keep: Tensor | None = None

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Take the mask from the arguments of a call: ``[B, N]``, or None for no padding."""
        given = kwargs.get(self.name)
        if given is None and len(args) > self.index:
            given = args[self.index]
        if given is not None and given.dim() != 2:
            raise RegardError(
                f"the host's {self.name} has shape {tuple(given.shape)}; a mask of tokens "
                f"[batch, tokens] is needed"
            )
        self.keep = None if given is None else (given == 0 if self.marks_padding else given != 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "keep": None}


class Attachment(nn.Module):
    """One mechanism on one side of a site, with what is needed to run it there.

    Args:
        mechanism: the module.
        layout: of the site's tensor.
        form: what the mechanism takes, a map ``[B, C, *space]`` or tokens ``[B, N, C]``.
        record: how it was made, as plain data.
        mask: the host's mask, passed on as ``mask=`` where the host gives one.
    """

    def __init__(
        self,
        mechanism: nn.Module,
        layout: Layout,
        form: Form,
        record: Mapping[str, Any],
        mask: HostMask | None,
    ) -> None:
        super().__init__()
        self.mechanism = mechanism
        self.layout: Layout = layout
        self.form = form
        self.record = dict(record)
        self.mask = mask
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """The site's tensor, attended, in the same layout."""
        keep = None if self.mask is None else self.mask.keep
        options = {} if keep is None else {"mask": keep}
        if self.form == "map":
            return from_map(self.mechanism(to_map(x, self.layout), **options), self.layout)
        return from_tokens(self.mechanism(to_tokens(x, self.layout), **options), x, self.layout)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"layout={self.layout}" + ("" if self.enabled else ", off")


class Carrier(nn.Module):
    """The child of a site that holds its attachments. Only the hooks run them."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: a host that calls all its children would run the mechanism a second time."""
        raise RegardError(
            "the host calls all children of this site one by one, so a mechanism cannot be carried "
            "there; plug at one of its children instead"
        )


def attach(site: nn.Module, side: Side, attachment: Attachment) -> None:
    """Put an attachment on a free side of a site."""
    if CHILD not in site._modules:
        site.add_module(CHILD, Carrier())
    site._modules[CHILD].add_module(side, attachment)  # type: ignore[union-attr]
    attachment.train(site.training)
    if side == "before":
        site.register_forward_pre_hook(_run_before, with_kwargs=True)
    else:
        site.register_forward_hook(_run_after)


def attachment_of(site: nn.Module, side: Side) -> Attachment | None:
    """What a site carries on a side."""
    carrier = site._modules.get(CHILD)
    found = carrier._modules.get(side) if isinstance(carrier, Carrier) else None
    return found if isinstance(found, Attachment) else None


def detach(site: nn.Module, side: Side) -> None:
    """Take an attachment out, leaving no trace on the site."""
    carrier = site._modules[CHILD]
    del carrier._modules[side]  # type: ignore[union-attr]
    if side == "before":
        _forget(site._forward_pre_hooks, _run_before, site._forward_pre_hooks_with_kwargs)
    else:
        _forget(site._forward_hooks, _run_after)
    if not carrier._modules:  # type: ignore[union-attr]
        del site._modules[CHILD]


def prepare_host(model: nn.Module, mask: HostMask | None) -> None:
    """Let the host's own checkpoint load, and let the sites see its mask."""
    if _forgive_missing not in model._load_state_dict_post_hooks.values():
        model.register_load_state_dict_post_hook(_forgive_missing)
    if mask is not None and not hasattr(model, MASK):
        setattr(model, MASK, mask)
        model.register_forward_pre_hook(_read_mask, with_kwargs=True)


def release_host(model: nn.Module) -> None:
    """Undo :func:`prepare_host`."""
    _forget(model._load_state_dict_post_hooks, _forgive_missing)
    if hasattr(model, MASK):
        delattr(model, MASK)
        _forget(model._forward_pre_hooks, _read_mask, model._forward_pre_hooks_with_kwargs)


def _run_after(site: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    attachment = site.regard.after  # type: ignore[union-attr]
    return on_first_tensor(output, attachment) if attachment.enabled else None  # type: ignore[arg-type, union-attr]


def _run_before(
    site: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any] | None:
    attachment = site.regard.before  # type: ignore[union-attr]
    if not attachment.enabled:  # type: ignore[union-attr]
        return None
    if args:
        return on_first_tensor(args, attachment), kwargs  # type: ignore[arg-type]
    return args, on_first_tensor(kwargs, attachment)  # type: ignore[arg-type]


def _read_mask(host: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    getattr(host, MASK).read(args, kwargs)


def _forgive_missing(host: nn.Module, incompatible: Any) -> None:
    """A checkpoint without any key of the add-on is the host's own; one with some is broken."""
    ours = addon_keys(host)
    missing = incompatible.missing_keys
    # Batch counters are never reported missing from checkpoints of the oldest format.
    named = {k for k in ours if not k.endswith("num_batches_tracked")}
    one = next(iter(named), None)
    # The host may sit inside a larger module: its names then have a prefix.
    for prefix in {m.removesuffix(one) for m in missing if one and m.endswith(one)}:
        if (not prefix or prefix.endswith(".")) and {prefix + k for k in named} <= set(missing):
            missing[:] = [m for m in missing if m.removeprefix(prefix) not in ours]


def addon_keys(host: nn.Module) -> set[str]:
    """The state_dict names of all that is plugged into a model."""
    return {
        f"{name}.{key}" if name else key
        for name, module in host.named_modules(remove_duplicate=False)
        if isinstance(module, Carrier)
        for key in module.state_dict()
    }


def on_first_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with its first tensor changed; it may be a tensor, a tuple, a list or a mapping."""
    if isinstance(value, Mapping):
        key = next((k for k, v in value.items() if _is_tensor(v)), None)
        if key is None:
            return value
        changed: Any = copy(value)
        changed[key] = change(value[key])
        return changed
    if not isinstance(value, tuple | list):
        return change(value)
    items = list(value)
    index = next((i for i, v in enumerate(items) if _is_tensor(v)), None)
    if index is None:
        return value
    items[index] = change(items[index])
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def first_tensor(value: Any) -> Tensor | None:
    """The tensor that :func:`on_first_tensor` would change."""
    if isinstance(value, Tensor):
        return value
    items = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, tuple | list | Mapping):
        return None
    return next((v for v in items if isinstance(v, Tensor)), None)


def _is_tensor(value: Any) -> bool:
    """True for tensors and for what stands for one while a model is traced."""
    return isinstance(value, Tensor | torch.fx.Proxy)


def _forget(hooks: dict[int, Any], function: Callable[..., Any], *flags: dict[int, Any]) -> None:
    for key in [k for k, v in hooks.items() if v is function]:
        del hooks[key]
        for flag in flags:
            flag.pop(key, None)
