"""plug, plugged, unplug: put mechanisms into a model, find them again, take them out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..cards import Card
from ..catalogue import card, get, options_of
from ..errors import RegardError
from ..ops.layout import space_dims
from .carrier import (
    MASK,
    SIDES,
    Attachment,
    Form,
    HostMask,
    Side,
    attach,
    attachment_of,
    detach,
    first_tensor,
    prepare_host,
    release_host,
)
from .patterns import At, host_modules
from .refusals import check_mask
from .sites import Site, aligned, resolve_sites, run

Factory = Callable[[int, str], nn.Module]


class Plugged:
    """A handle on mechanisms inside a model.

    Args:
        model: the host.
        places: site name and side of each mechanism.
        drift: largest change of the model's output at the moment of plugging, None if unknown.
    """

    def __init__(
        self, model: nn.Module, places: list[tuple[str, Side]], drift: float | None = None
    ) -> None:
        self.model = model
        self.places = tuple(places)
        self.drift = drift

    def attachments(self) -> dict[tuple[str, Side], Attachment]:
        """What is plugged, by site name and side."""
        found = {}
        for name, side in self.places:
            attachment = attachment_of(self.model.get_submodule(name), side)
            if attachment is not None:
                found[name, side] = attachment
        return found

    def mechanisms(self) -> dict[str, nn.Module]:
        """The mechanisms themselves, by site name."""
        return {name: a.mechanism for (name, _), a in self.attachments().items()}

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of all mechanisms, for an optimizer."""
        for attachment in self.attachments().values():
            yield from attachment.parameters()

    def off(self) -> None:
        """Let the model run as if nothing were plugged."""
        self._switch(False)

    def on(self) -> None:
        """Undo :meth:`off`."""
        self._switch(True)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Off inside the ``with`` block, then as before."""
        before = {place: a.enabled for place, a in self.attachments().items()}
        self.off()
        try:
            yield
        finally:
            for place, attachment in self.attachments().items():
                attachment.enabled = before.get(place, True)

    def remove(self) -> None:
        """Take the mechanisms out; the model is then exactly what it was."""
        for name, side in self.attachments():
            detach(self.model.get_submodule(name), side)
        if not places_of(self.model):
            release_host(self.model)

    def table(self) -> str:
        """What is plugged where, and what it costs, as aligned text."""
        head = ("site", "mechanism", "layout", "parameters", "on")
        rows = [
            (
                name if side == "after" else f"before {name}",
                str(a.record["mechanism"]),
                a.layout,
                f"{sum(p.numel() for p in a.parameters()):,}",
                "yes" if a.enabled else "no",
            )
            for (name, side), a in self.attachments().items()
        ]
        drift = "" if self.drift is None else f"\noutput changed by {self.drift:.2g} at plugging"
        return aligned([head, *rows]) + drift

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def __len__(self) -> int:
        return len(self.attachments())

    __repr__ = table

    def _switch(self, on: bool) -> None:
        for attachment in self.attachments().values():
            attachment.enabled = on


def plug(
    model: nn.Module,
    mechanism: str | Factory,
    at: At,
    *,
    example: Any = None,
    before: bool | None = None,
    layout: str | None = None,
    mask: str | bool | None = None,
    start: str = "identity",
    **options: Any,
) -> Plugged:
    """Put a mechanism into a model, in place, at every site that matches.

    Args:
        model: the host, any ``nn.Module``. Its state_dict keys stay; its own checkpoint loads.
        mechanism: a name (see :func:`regard.get`), or a factory ``(channels, site name) → module``
            whose module takes the site's tensor: a map ``[B, C, *space]``, or tokens ``[B, N, C]``.
        at: which modules: a glob on dotted names (``*`` within one name, ``**`` across names),
            ``"re:…"``, a type, a callable ``(name, module) → bool``, or a list of these. A
            Sequential stands for its last child.
        example: what the model is called with, a tensor, a tuple or a mapping: gives channels,
            layout and the measured drift. Optional at convolutions and batch normalisations.
        before: act on the input of the sites instead of the output; by default as the card says.
        layout: of the sites' tensors, where it cannot be told from the model.
        mask: the host's argument that marks padded tokens (``"attention_mask"``); required at sites
            of tokens if the host takes one; False if nothing is ever padded.
        start: ``identity`` leaves the model's output as it is; ``paper`` initialises as published.
        options: of the mechanism, as in :func:`regard.get`.

    Returns:
        A handle: ``off()``, ``on()``, ``disabled()``, ``parameters()``, ``remove()``, ``drift``.

    Raises:
        RegardError: if a site cannot carry the mechanism. The model is then left as it was.
    """
    known = card(mechanism) if isinstance(mechanism, str) else None
    side: Side = (
        "before" if (known is not None and known.before if before is None else before) else "after"
    )
    found, output = resolve_sites(model, at, side, example, layout)
    tokens = any("L" in site.layout for site in found) and not _is_image(example)
    name = check_mask(model, mask, tokens)
    host_mask = getattr(model, MASK, None) or (HostMask(name, model) if name else None)
    if name and host_mask is not None and host_mask.name != name.removeprefix("~"):
        raise RegardError(
            f"mask={name!r}: this model is plugged with mask={host_mask.name!r} already"
        )
    made = [
        (site, make_attachment(mechanism, site, host_mask if name else None, start, options))
        for site in found
    ]
    for site, attachment in made:
        attach(model.get_submodule(site.name), side, attachment)
    prepare_host(model, host_mask if name else None)
    handle = Plugged(model, [(site.name, side) for site in found])
    if example is not None:
        try:
            handle.drift = _distance(output, run(model, example))
        except RegardError:
            handle.remove()
            raise
    return handle


def plugged(model: nn.Module) -> Plugged:
    """A handle on everything plugged into a model, also into a copy or a reloaded one."""
    return Plugged(model, places_of(model))


def unplug(model: nn.Module) -> None:
    """Take everything out of a model; it is then exactly what it was."""
    plugged(model).remove()


def places_of(model: nn.Module) -> list[tuple[str, Side]]:
    """Site name and side of all that is plugged, each module once."""
    once = {id(module): name for name, module in reversed(host_modules(model))}
    sites = [(name, module) for name, module in host_modules(model) if once[id(module)] == name]
    return [(n, side) for n, m in sites for side in SIDES if attachment_of(m, side) is not None]


def make_attachment(
    mechanism: str | Factory,
    site: Site,
    mask: HostMask | None,
    start: str,
    options: dict[str, Any],
) -> Attachment:
    """A mechanism built for a site."""
    form: Form = "tokens" if "L" in site.layout and site.layout != "NCL" else "map"
    if isinstance(mechanism, str):
        known = card(mechanism)
        fitted = fitted_options(known, site, start, options)
        module = get(mechanism, site.channels, **fitted, device=site.device, dtype=site.dtype)
        form = "tokens" if known.takes == "tokens" else "map"
        record = {"mechanism": mechanism, "options": fitted, "channels": site.channels}
    elif options:
        raise RegardError(f"a factory takes no options, but {', '.join(options)} came with it")
    else:
        module, record = mechanism(site.channels, site.name), {"mechanism": "factory"}
    if mask is not None and "mask" not in inspect.signature(module.forward).parameters:
        raise RegardError(
            f"{record['mechanism']} takes no mask, so it cannot tell padded tokens at site "
            f"{site.name!r}; say mask=False if nothing is ever padded"
        )
    record["mask"] = None if mask is None else mask.name
    return Attachment(module, site.layout, form, record, mask)


def fitted_options(known: Card, site: Site, start: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options given, with what the site and the card add to them."""
    if known.takes not in ("map", "tokens") or "plug" in known.waives:
        why = known.waives.get("plug", f"it takes {known.takes}, and a site gives one map")
        raise RegardError(f"{known.name} cannot be plugged: {why}")
    dims = space_dims(site.layout)
    if known.takes == "map" and dims not in known.dims:
        raise RegardError(
            f"{known.name} needs a map of {' or '.join(map(str, known.dims))} spatial dimensions; "
            f"site {site.name!r} is {site.layout} with {dims}"
        )
    names, fitted = options_of(known), dict(options)
    for option, value in (("start", start), ("dims", dims)):
        if option in names:
            fitted.setdefault(option, value)
    if known.start == "residual":
        fitted.setdefault("residual", True)
    return fitted


def _is_image(example: Any) -> bool:
    """Pixels are never padded, even where the host takes a mask."""
    tensor = first_tensor(example)
    return tensor is not None and tensor.dim() >= 4


def _distance(one: Any, other: Any) -> float:
    """Largest difference between the first tensors of two outputs."""
    a, b = first_tensor(one), first_tensor(other)
    if a is None or b is None or a.numel() == 0:
        return 0.0
    if a.shape != b.shape:
        return float("inf")
    difference: Tensor = (a.to(torch.float64) - b.to(torch.float64)).abs()
    return float(difference.max())
