"""sites: the places of a model where a mechanism can go, read by one run on an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops.layout import Layout, channel_axis
from .carrier import Side, first_tensor
from .layouts import check_layout, infer_layout
from .patterns import At, modules_at
from .refusals import (
    refuse_fused,
    refuse_occupied,
    refuse_uncalled,
    refuse_wrapped,
    resolve_container,
)


@dataclass(frozen=True, slots=True)
class Site:
    """One place in a model.

    Args:
        name: dotted name of the module.
        kind: its type.
        side: ``after`` its call, on the output, or ``before``, on the input.
        layout: of the tensor there.
        channels: size of the channel axis.
        shape: of the tensor on the example, None without an example.
        calls: how often the example called it.
        dtype, device: of its parameters, else of the tensor.
    """

    name: str
    kind: str
    side: Side
    layout: Layout
    channels: int
    shape: tuple[int, ...] | None
    calls: int
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites of a model, and why other modules are none."""

    found: tuple[Site, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.found)

    def rows(self) -> list[tuple[str, ...]]:
        """Name, type, layout, channels, shape and calls of each site, as text."""
        return [
            (
                site.name,
                site.kind,
                site.layout,
                str(site.channels),
                "×".join(map(str, site.shape)) if site.shape else "",
                str(site.calls),
            )
            for site in self.found
        ]

    def table(self) -> str:
        """The sites as aligned text."""
        head = ("site", "type", "layout", "channels", "shape", "calls")
        return aligned([head, *self.rows()])

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """Sites and refusals as JSON."""
        sites = [{**asdict(s), "dtype": str(s.dtype), "device": str(s.device)} for s in self.found]
        return json.dumps({"sites": sites, "refused": dict(self.refused)}, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json(), encoding="utf-8")

    __str__ = table


def sites(
    model: nn.Module,
    example: Any = None,
    at: At = "**",
    *,
    before: bool = False,
    layout: str | None = None,
) -> Sites:
    """The sites of a model: a dry run of :func:`regard.plug`.

    Args:
        model: the host. It is run once without gradients in eval mode and left as it was.
        example: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keyword arguments. Without it only modules whose type tells their layout are sites.
        at: which modules; all by default. See :func:`regard.plug`.
        before: sites on the input of modules instead of on their output.
        layout: of all of them, where it cannot be told.

    Returns:
        The sites, and for every other module the reason why it is none.

    Raises:
        RegardError: if ``at`` matches nothing or the model cannot be run on the example.
    """
    side: Side = "before" if before else "after"
    chosen = {n: m for n, m in modules_at(model, at).items() if n or at != "**"}
    refuse_wrapped(model)
    seen = observe(model, example, chosen, side)[0] if example is not None else None
    reading = Reading(model, side, seen, layout, _batch(example))
    found, refused = [], {}
    for name, module in chosen.items():
        try:
            if isinstance(module, nn.Sequential) and len(chosen) > 1:
                continue  # its last child is in the list already
            found.append(reading.site(name, module))
        except RegardError as error:
            refused[name] = str(error)
    return Sites(tuple(found), refused)


def resolve_sites(
    model: nn.Module, at: At, side: Side, example: Any, layout: str | None
) -> tuple[list[Site], Any]:
    """Sites that all must do, and the model's output on the example.

    Raises:
        RegardError: if one of the modules that match cannot be a site.
    """
    refuse_wrapped(model)
    resolved = dict(
        resolve_container(name, module, side) for name, module in modules_at(model, at).items()
    )
    seen, output = observe(model, example, resolved, side) if example is not None else (None, None)
    reading = Reading(model, side, seen, layout, _batch(example))
    return [reading.site(name, module) for name, module in resolved.items()], output


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of a model showed, from which modules are read as sites.

    Args:
        model: the host.
        side: of the modules.
        seen: the tensors at each module, None without an example.
        layout: given by the caller, None to infer it.
        batch: size of the example's batch, None if unknown.
    """

    model: nn.Module
    side: Side
    seen: Mapping[str, list[Tensor]] | None
    layout: str | None
    batch: int | None

    def site(self, name: str, module: nn.Module) -> Site:
        """One module as a site.

        Raises:
            RegardError: that says why it is none.
        """
        name, module = resolve_container(name, module, self.side)
        refuse_wrapped(self.model, name)
        refuse_occupied(name, module, self.side)
        refuse_fused(self.model, name, module)
        if self.seen is None:
            return _site_by_type(name, module, self.side, self.layout)
        tensors = self.seen[name]
        refuse_uncalled(name, module, len(tensors), self.model)
        shape = tuple(tensors[0].shape)
        known = self._layout(name, module, shape)
        channels = _one_width(name, tensors, known)
        like = next((p for p in module.parameters() if p.is_floating_point()), None)
        dtype = tensors[0].dtype if like is None else like.dtype
        device = _device(self.model) if like is None else like.device
        kind, calls = type(module).__name__, len(tensors)
        return Site(name, kind, self.side, known, channels, shape, calls, dtype, device)

    def _layout(self, name: str, module: nn.Module, shape: tuple[int, ...]) -> Layout:
        if self.layout is not None:
            return check_layout(self.layout, name, len(shape))
        return infer_layout(name, module, shape, self.model, self.batch)


def _one_width(name: str, tensors: list[Tensor], layout: Layout) -> int:
    axis = channel_axis(layout)
    if len({t.dim() for t in tensors}) == 1:
        channels = {t.shape[axis] for t in tensors}
        if len(channels) == 1:
            return channels.pop()
    shapes = " and ".join(dict.fromkeys(str(list(t.shape)) for t in tensors))
    raise RegardError(
        f"site {name!r} is called {len(tensors)} times with different channels ({shapes}); one "
        f"mechanism cannot serve them all: plug at the modules that call it"
    )


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def observe(
    model: nn.Module, example: Any, modules: Mapping[str, nn.Module], side: Side
) -> tuple[dict[str, list[Tensor]], Any]:
    """The tensors (on the meta device) at each module during one run, and the model's output."""
    seen: dict[str, list[Tensor]] = {name: [] for name in modules}
    handles = []
    for name, module in modules.items():
        note = _noting(seen[name])
        if side == "before":
            handles.append(
                module.register_forward_pre_hook(
                    lambda _m, args, kwargs, note=note: note(args or kwargs), with_kwargs=True
                )
            )
        else:
            handles.append(
                module.register_forward_hook(lambda _m, _args, output, note=note: note(output))
            )
    try:
        return seen, run(model, example)
    finally:
        for handle in handles:
            handle.remove()


def run(model: nn.Module, example: Any) -> Any:
    """The model's output on the example: eval mode, no gradients, modes and RNG put back.

    Raises:
        RegardError: with the model's own message, if it fails.
    """
    with _as_found(model), torch.no_grad():
        try:
            if isinstance(example, Mapping):
                return model(**example)
            return model(*example) if isinstance(example, tuple | list) else model(example)
        except RegardError:
            raise
        except Exception as error:
            raise RegardError(
                f"{type(model).__name__} cannot be run on the example: "
                f"{type(error).__name__}: {error}"
            ) from error


@contextmanager
def _as_found(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


def _noting(found: list[Tensor]) -> Any:
    def note(value: Any) -> None:
        tensor = first_tensor(value)
        if tensor is not None:
            empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            found.append(empty)

    return note


def _site_by_type(name: str, module: nn.Module, side: Side, layout: str | None) -> Site:
    """A convolution or a normalisation of 1-D, 2-D or 3-D maps needs no example."""
    digit = type(module).__name__[-2:-1]
    attribute = "in_channels" if side == "before" else "out_channels"
    channels = getattr(module, attribute, getattr(module, "num_features", None))
    if channels is None or digit not in ("1", "2", "3"):
        raise RegardError(
            f"site {name!r} ({type(module).__name__}) does not tell its layout: give an example, "
            f"as in plug(model, …, example=x)"
        )
    dims = int(digit)
    usual: tuple[Layout, ...] = ("NCL", "NCHW", "NCDHW")
    known = usual[dims - 1] if layout is None else check_layout(layout, name, dims + 2)
    like = next(module.parameters(), torch.empty(0))
    return Site(
        name, type(module).__name__, side, known, channels, None, 0, like.dtype, like.device
    )


def _batch(example: Any) -> int | None:
    tensor = first_tensor(example)
    return None if tensor is None or tensor.dim() < 2 else tensor.shape[0]


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Rows of text as columns, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
