"""plug: put a mechanism into a model, at every site that matches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..cards import Card
from ..catalogue import build, card, is_own, names, options_of
from ..errors import RegardError
from ..ops.layout import space_dims
from .carrier import (
    Attachment,
    Form,
    Side,
    attach,
    first_tensor,
    host_mask,
    prepare_host,
)
from .handle import Plugged
from .masks import HostMask, check_mask
from .observation import largest_difference, random_state_kept, run
from .patterns import At
from .reading import Site
from .refusals import refuse_kind
from .survey import resolve_sites

Factory = Callable[[int, str], nn.Module]


def plug(
    model: nn.Module,
    mechanism: str | Card | Factory,
    at: At,
    *,
    example: Any = None,
    before: bool | None = None,
    layout: str | None = None,
    mask: str | bool | None = None,
    causal: bool = False,
    start: str = "identity",
    **options: Any,
) -> Plugged:
    """Put a mechanism into a model, in place, at every site that matches.

    Args:
        model: the host, any ``nn.Module``. Its state_dict keys stay; its own checkpoint loads.
        mechanism: a name (see :func:`regard.get`), a card of the caller's own, or a factory
            ``(channels, site name) → module`` whose module takes the site's tensor: a map
            ``[B, C, *space]``, or tokens ``[B, N, C]``. It is moved to the device and dtype of the
            site.
        at: which modules: a glob on dotted names (``*`` within one name, ``**`` across names),
            ``"re:…"``, a module, a type, a callable ``(name, module) → bool``, or a list of these;
            ``""`` is the model itself. A Sequential stands for its last child, or for its first
            when acting before. A module that is called several times carries one mechanism for all
            its calls.
        example: what the model is called with, a tensor, a tuple or a mapping: gives channels,
            layout and the measured drift. Optional at convolutions and batch normalisations.
        before: act on the input of the sites instead of the output; by default as the card says.
            A module that takes several tensors gives its first one, in the order of the call.
        layout: of the sites' tensors, where it cannot be told from the model.
        mask: the host's argument that marks padded tokens (``"attention_mask"``); required at sites
            of tokens if the host takes one; False if nothing is ever padded. In a name with
            ``pad`` True means padding, in any other a real token; ``"~name"`` turns that round.
            With activation checkpointing the mask of the host's last call is the one seen in
            backward: run backward before the next forward.
        causal: no position sees a later one, for hosts that generate text; run such a host without
            its cache, which shows a mechanism the newest tokens alone.
        start: ``identity`` leaves the model's output as it is, and a mechanism that cannot do that
            is refused; ``paper`` initialises as published.
        options: of the mechanism, as in :func:`regard.get`.

    Returns:
        A handle: ``off()``, ``on()``, ``disabled()``, ``parameters()``, ``remove()``, ``drift``.

    PyTorch's random state is afterwards what it was, so that a run with the mechanism can be paired
    with one without. A mechanism that mixes tokens sees all of them, also in a causal host, unless
    ``causal=True`` is said: there a position would see the future.

    Raises:
        RegardError: if a site cannot carry the mechanism. The model is then left as it was.
    """
    known = _known(mechanism)
    on_input = known is not None and known.before if before is None else before
    side: Side = "before" if on_input else "after"
    with random_state_kept(model):
        found, output = resolve_sites(model, at, side, example, layout)
        tokens = any("L" in site.layout for site in found) and not _is_image(example)
        argument = check_mask(model, mask, tokens, example)
        padding = None if argument is None else host_mask(model, argument)
        made = [
            make_attachment(mechanism, site, padding, start, options, causal=causal)
            for site in found
        ]
    handle = Plugged(model, [(site.name, side) for site in found])
    try:
        for site, attachment in zip(found, made, strict=True):
            attach(model.get_submodule(site.name), side, attachment)
        prepare_host(model, padding)
        if example is not None:
            handle.drift = largest_difference(output, _run_plugged(handle, example))
    except BaseException:
        handle.remove()
        raise
    return handle


def _run_plugged(handle: Plugged, example: Any) -> Any:
    """The host's output; where it fails, a mechanism that gave it another shape is named."""
    changed: list[str] = []
    hooks = [
        module.register_forward_hook(partial(_note_change, changed, name))
        for name, module in handle.mechanisms().items()
    ]
    try:
        return run(handle.model, example)
    except RegardError as error:
        if not changed:
            raise
        raise RegardError(
            f"{changed[0]}; the host needs a tensor of the same shape there: {error}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def _note_change(
    changed: list[str], name: str, module: nn.Module, given: tuple[Any, ...], output: Any
) -> None:
    came, gave = (
        str(list(x.shape)) if isinstance(x, Tensor) else f"a {type(x).__name__}"
        for x in (given[0], output)
    )
    if came != gave:
        changed.append(f"{type(module).__name__} at site {name!r} made {gave} of {came}")


def _known(mechanism: str | Card | Factory) -> Card | None:
    """The card of a mechanism, None of a factory's."""
    if isinstance(mechanism, Card):
        return mechanism
    return card(mechanism) if isinstance(mechanism, str) else None


def _recorded_name(mechanism: str | Card | Factory, known: Card) -> str:
    """The name by which :func:`regard.load` finds the mechanism again, ``factory`` if by none."""
    if isinstance(mechanism, str):
        return mechanism if is_own(mechanism) else known.name
    return known.name if known.name in names() and card(known.name) is known else "factory"


def make_attachment(
    mechanism: str | Card | Factory,
    site: Site,
    mask: HostMask | None,
    start: str,
    options: dict[str, Any],
    *,
    causal: bool = False,
) -> Attachment:
    """A mechanism built for a site."""
    form: Form = "tokens" if site.layout in ("NLC", "LNC") else "map"
    known = _known(mechanism)
    if known is not None:
        fitted = fitted_options(known, site, start, options)
        module = _from_card(known, site, fitted)
        form = "tokens" if known.takes == "tokens" else "map"
        name = _recorded_name(mechanism, known)
        record: dict[str, Any] = {"mechanism": name, "options": fitted, "channels": site.channels}
    elif options:
        raise RegardError(f"a factory takes no options, but {', '.join(options)} came with it")
    else:
        module, record = _from_factory(mechanism, site), {"mechanism": "factory"}
    record |= {"site": site.name, "mask": None if mask is None else mask.argument}
    if causal:
        record["causal"] = True
    _check_forward(module, record)
    return Attachment(module, site.layout, form, record, mask)


def _check_forward(module: nn.Module, record: Mapping[str, Any]) -> None:
    """What the site will pass on must be an argument of the mechanism."""
    taken, name = inspect.signature(module.forward).parameters, record["mechanism"]
    if record["mask"] is not None and "mask" not in taken:
        raise RegardError(
            f"{name} takes no mask, so it cannot tell padded tokens at site {record['site']!r}; "
            f"say mask=False if nothing is ever padded"
        )
    if record.get("causal") and "causal" not in taken:
        raise RegardError(
            f"{name} takes no causal, so it would show the future at site {record['site']!r}; plug "
            f"one whose forward does, such as 'self' or 'multihead'"
        )


def _from_card(known: Card, site: Site, options: dict[str, Any]) -> nn.Module:
    """Built where the site is; a class of the caller's own need not take device and dtype."""
    home = {"device": site.device, "dtype": site.dtype}
    taken = {option: value for option, value in home.items() if option in options_of(known)}
    module = build(known, site.channels, **options, **taken)
    return module if taken == home else module.to(site.device, site.dtype)


def _from_factory(factory: Any, site: Site) -> nn.Module:
    if not callable(factory) or isinstance(factory, nn.Module):
        raise RegardError(
            f"mechanism is a {type(factory).__name__}; it can be a name such as 'se', or a factory "
            f"(channels, site name) → module, such as lambda channels, name: MyAttention(channels)"
        )
    module = factory(site.channels, site.name)
    if not isinstance(module, nn.Module):
        raise RegardError(
            f"the factory gave a {type(module).__name__} for site {site.name!r}; an nn.Module is "
            f"needed"
        )
    return module.to(site.device, site.dtype)


def fitted_options(known: Card, site: Site, start: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options given, with what the site and the card add to them."""
    refuse_kind(known)
    if known.start == "none" and start != "paper":
        raise RegardError(
            f"{known.name} cannot start as the identity, so plugging it changes the model's "
            f"output: say start='paper' to accept that, or plug 'self' or 'multihead', which can"
        )
    dims = space_dims(site.layout)
    if known.takes == "map" and dims not in known.dims:
        raise RegardError(
            f"{known.name} needs a map of {' or '.join(map(str, known.dims))} spatial dimensions; "
            f"site {site.name!r} is {site.layout} with {dims}"
        )
    given = next((o for o in ("device", "dtype") if o in options), None)
    if given is not None:
        raise RegardError(f"{given} is no option of plug: a mechanism takes that of its site")
    taken, fitted = options_of(known), dict(options)
    for option, value in (("start", start), ("dims", dims)):
        if option in taken:
            fitted.setdefault(option, value)
    if known.start == "residual" and "residual" in taken:  # others add the input always
        fitted.setdefault("residual", True)
    return fitted


def _is_image(example: Any) -> bool:
    """Pixels are never padded, even where the host takes a mask."""
    tensor = first_tensor(example)
    return tensor is not None and tensor.dim() >= 4
