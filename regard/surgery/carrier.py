"""How a mechanism is carried: a child module named ``regard`` on the site, and a hook that runs it.

The hooks are functions of this module, so a plugged model can be copied, pickled, traced, compiled
and exported; everything they need is on the carrier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops import from_map, from_tokens, overwriting, to_map, to_tokens
from ..ops.layout import Layout
from .masks import HostMask, fitting
from .ownership import is_ours_alone

CHILD = "regard"
MASKS = "_regard_masks"
Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = ("before", "after")
Form = Literal["map", "tokens"]


class Attachment(nn.Module):
    """One mechanism on one side of a site, with what is needed to run it there.

    Args:
        mechanism: the module.
        layout: of the site's tensor.
        form: what the mechanism takes, a map ``[B, C, *space]`` or tokens ``[B, N, C]``.
        record: how it was made, as plain data; with ``causal`` it is run as ``causal=True``.
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
        self.options = {"causal": True} if self.record.get("causal") else {}
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """The site's tensor, attended, in the same layout."""
        if isinstance(x, Tensor) and x.is_nested:
            return self._attend_nested(x)
        keep = None if self.mask is None else self.mask.keep
        return self._attend(x, None if keep is None else fitting(keep, x, self.layout))

    def _attend(self, x: Tensor, keep: Tensor | None) -> Tensor:
        options = self.options if keep is None else {**self.options, "mask": keep}
        if self.form == "map":
            return from_map(self.mechanism(to_map(x, self.layout), **options), self.layout)
        return from_tokens(self.mechanism(to_tokens(x, self.layout), **options), x, self.layout)

    def _attend_nested(self, x: Tensor) -> Tensor:
        """``nn.TransformerEncoder`` drops padded tokens in eval: a list of ``[N_i, C]`` comes."""
        lengths = [part.shape[0] for part in x.unbind()]
        padded = torch.nested.to_padded_tensor(x, 0.0)
        ends = torch.tensor(lengths, device=padded.device)[:, None]
        keep = torch.arange(padded.shape[1], device=padded.device) < ends
        y = self._attend(padded, None if self.mask is None else keep)
        return torch.nested.as_nested_tensor([y[i, :n] for i, n in enumerate(lengths)])

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"layout={self.layout}" + ("" if self.enabled else ", off")


class Carrier(nn.Module):
    """The child of a site that holds its attachments. Only the hooks run them."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: a host that calls all its children would run the mechanism a second time."""
        names = [a.record["site"] for a in self.children() if isinstance(a, Attachment)]
        raise RegardError(
            f"the host calls all children of site {names[0]!r} one by one, so a mechanism cannot "
            f"be carried there; plug at one of its children instead"
        )


def attach(site: nn.Module, side: Side, attachment: Attachment) -> None:
    """Put an attachment on a free side of a site."""
    if CHILD not in site._modules:
        site.add_module(CHILD, Carrier())
    site._modules[CHILD].add_module(side, attachment)  # type: ignore[union-attr]
    site._modules[CHILD].train(site.training)  # type: ignore[union-attr]
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
    if not _hooked(model._load_state_dict_pre_hooks, _keep_addon):
        model.register_load_state_dict_pre_hook(_keep_addon)
    if mask is None:
        return
    if not hasattr(model, MASKS):
        setattr(model, MASKS, {})
        model.register_forward_pre_hook(_read_masks, with_kwargs=True)
    getattr(model, MASKS)[mask.argument] = mask


def host_mask(model: nn.Module, argument: str) -> HostMask:
    """The mask of that name that the model is prepared for already, else a new one."""
    known: HostMask | None = getattr(model, MASKS, {}).get(argument)
    return known or HostMask(argument, model)


def release_hosts(model: nn.Module) -> None:
    """Undo :func:`prepare_host` on a model and on hosts inside it, where nothing needs it now."""
    for host in model.modules():
        if not _hooked(host._load_state_dict_pre_hooks, _keep_addon):
            continue
        attachments = [m for m in host.modules() if isinstance(m, Attachment)]
        masks = getattr(host, MASKS, {})
        for argument, mask in list(masks.items()):
            if all(a.mask is not mask for a in attachments):
                del masks[argument]
        if hasattr(host, MASKS) and not masks:
            delattr(host, MASKS)
            _forget(host._forward_pre_hooks, _read_masks, host._forward_pre_hooks_with_kwargs)
        if not attachments:
            _forget(host._load_state_dict_pre_hooks, _keep_addon)


def addon_state(host: nn.Module) -> dict[str, Any]:
    """The part of a model's state_dict that is plugged into it, the tensors themselves."""
    return {
        f"{name}.{key}": value
        for name, module in host.named_modules(remove_duplicate=False)
        if isinstance(module, Carrier)
        for key, value in module.state_dict(keep_vars=True).items()
    }


def _run_after(site: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    attachment = site.regard.after  # type: ignore[union-attr]
    if not attachment.enabled:  # type: ignore[union-attr]
        return None
    if is_ours_alone(site, output):
        with overwriting(output):
            return attachment(output)  # type: ignore[operator]
    return on_first_tensor(output, attachment)  # type: ignore[arg-type]


def _run_before(
    site: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any] | None:
    attachment = site.regard.before  # type: ignore[union-attr]
    if not attachment.enabled:  # type: ignore[union-attr]
        return None
    if args:
        return on_first_tensor(args, attachment), kwargs  # type: ignore[arg-type]
    return args, on_first_tensor(kwargs, attachment)  # type: ignore[arg-type]


def _read_masks(host: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for mask in getattr(host, MASKS).values():
        mask.read(args, kwargs)


def _keep_addon(host: nn.Module, state_dict: dict[str, Any], prefix: str, *_rest: Any) -> None:
    """A checkpoint without any key of the add-on is the host's own: the add-on stays as it is."""
    ours = addon_state(host)
    if not any(prefix + key in state_dict for key in ours):
        state_dict.update({prefix + key: value for key, value in ours.items()})


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
        return change(value) if _is_tensor(value) else value
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


def _hooked(hooks: Mapping[int, Any], function: Callable[..., Any]) -> bool:
    return any(getattr(hook, "hook", hook) is function for hook in hooks.values())


def _forget(hooks: dict[int, Any], function: Callable[..., Any], *flags: dict[int, Any]) -> None:
    for key in [k for k, hook in hooks.items() if getattr(hook, "hook", hook) is function]:
        del hooks[key]
        for flag in flags:
            flag.pop(key, None)
