"""What one run of a model shows of a module: its site, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops.layout import Layout, channel_axis
from .carrier import Side
from .layouts import check_layout, dims_of, infer_layout
from .observation import Observation, Seen, observe
from .refusals import refuse_fused, refuse_occupied, tensors_of


@dataclass(frozen=True, slots=True)
class Site:
    """One place in a model.

    Args:
        name: dotted name of the module, empty for the model itself.
        kind: its type.
        side: ``after`` its call, on the output, or ``before``, on the input.
        layout: of the tensor there.
        channels: size of the channel axis.
        shape: of the tensor on the example, None without an example.
        calls: how often the example called it.
        dtype, device: of the tensor, which are those of a mechanism there; under autocast and
            without an example, those of the parameters.
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
class Reading:
    """What one run of a model showed, from which modules are read as sites.

    Args:
        model: the host.
        side: of the modules.
        seen: what the run showed, None without an example.
        layout: given by the caller, None to infer it.
    """

    model: nn.Module
    side: Side
    seen: Observation | None
    layout: str | None

    @classmethod
    def of(
        cls,
        model: nn.Module,
        example: Any,
        modules: Mapping[str, nn.Module],
        side: Side,
        layout: str | None,
    ) -> Reading:
        """Run the model on the example, if there is one."""
        seen = None if example is None else observe(model, example, modules, side)
        return cls(model, side, seen, layout)

    def site(self, name: str, module: nn.Module) -> Site:
        """One module, no container, as a site.

        Raises:
            RegardError: that says why it is none.
        """
        refuse_occupied(name, module, self.side)
        refuse_fused(self.model, name, module)
        if self.seen is None:
            return self._site_by_type(name, module)
        seen = tensors_of(name, module, self.seen.calls[name], self.model)
        known = self._layout(name, module, seen[0], self.seen)
        channels = _one_width(name, [s.shape for s in seen], known)
        dtype = first_parameter(module, self.model).dtype if seen[0].autocast else seen[0].dtype
        return Site(
            name, type(module).__name__, self.side, known, channels, seen[0].shape,
            len(self.seen.calls[name]), dtype, seen[0].device,
        )  # fmt: skip

    def _layout(self, name: str, module: nn.Module, first: Seen, seen: Observation) -> Layout:
        if self.layout is not None:
            return check_layout(self.layout, name, len(first.shape))
        return infer_layout(
            name, module, first.shape, self.model, numbers=first.numbers, evidence=seen.evidence
        )

    def _site_by_type(self, name: str, module: nn.Module) -> Site:
        """A convolution or a normalisation of 1-D, 2-D or 3-D maps needs no example."""
        dims = dims_of(module)
        attribute = "in_channels" if self.side == "before" else "out_channels"
        channels = getattr(module, attribute, getattr(module, "num_features", None))
        if not dims or channels is None:
            raise RegardError(
                f"site {name!r} ({type(module).__name__}) does not tell its layout: give an "
                f"example, as in plug(model, …, example=x)"
            )
        usual: Layout = ("NCL", "NCHW", "NCDHW")[dims - 1]
        known = usual if self.layout is None else check_layout(self.layout, name, dims + 2)
        like = first_parameter(module, self.model)
        return Site(
            name, type(module).__name__, self.side, known, channels, None, 0, like.dtype,
            like.device,
        )  # fmt: skip


def _one_width(name: str, shapes: list[tuple[int, ...]], layout: Layout) -> int:
    axis = channel_axis(layout)
    if len({len(shape) for shape in shapes}) == 1:
        channels = {shape[axis] for shape in shapes}
        if len(channels) == 1:
            return channels.pop()
    shown = " and ".join(dict.fromkeys(str(list(shape)) for shape in shapes))
    raise RegardError(
        f"site {name!r} is called {len(shapes)} times with different channels ({shown}); one "
        f"mechanism cannot serve them all: plug at the modules that call it"
    )


def first_parameter(module: nn.Module, model: nn.Module) -> Tensor:
    """The first floating-point parameter of a module, else of the model: for dtype and device."""
    found = (p for m in (module, model) for p in m.parameters() if p.is_floating_point())
    return next(found, torch.empty(0))
