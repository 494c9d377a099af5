r"""Grad-CAM for any network of convolutions or patches, its layer and layout found by itself.

.. math:: L = \left(\sum_k \alpha_k A^k\right)^+, \qquad
          \alpha_k = \frac1Z \sum_{ij} \frac{\partial y}{\partial A^k_{ij}}

Selvaraju et al., Grad-CAM (arXiv:1610.02391), equations 1 and 2. The layer is the last one, in the
order of the run, whose output has places on the picture and a gradient there: in a residual network
its last stage, in Swin the last norm, and in a ViT with a class token what the last attention
reads, for behind it no patch reaches the classifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..ops.layout import Layout, to_map
from ..surgery import Site, sites
from ..surgery.carrier import first_tensor
from .grids import find_grid
from .heat import Heat
from .targets import Target, call, differentiable, scores_of

SOURCE = "arXiv:1610.02391"
# They change nothing about places, or are inner parts of a layer that has them.
_PASSED = {"Linear", "Dropout", "Identity", "GELU", "DropPath"}


@dataclass(frozen=True, slots=True)
class _Layer:
    name: str
    layout: Layout
    prefix: int
    frame: tuple[int, int]  # places down and across

    def map_of(self, x: Tensor) -> Tensor:
        """``[B, C, h, w]``."""
        if self.layout in ("NLC", "LNC"):
            return to_map(x, self.layout)[:, :, self.prefix :].unflatten(2, self.frame)
        return to_map(x, self.layout)


def grad_cam(model: nn.Module, x: Any, target: Target = None, layer: str | None = None) -> Heat:
    """What of a picture raises a class.

    Args:
        model: takes pictures; left in its mode, with its gradients as they are.
        x: a batch of pictures ``[B, C, H, W]``, or a tuple or mapping with one.
        target: a class, one a sample, a function from the output to ``[B]``; default: the class
            with the highest score.
        layer: the module whose output is used; default: found as above.

    Returns:
        A heat ``[B, h, w]`` at the layer's resolution, zero and above.

    Raises:
        RegardError: where no layer has places on the picture, or the named one has not.
    """
    frame = _picture(x)
    layers = _candidates(model, x, frame, layer)
    with differentiable(model), _outputs(model, layers) as outputs:
        score = scores_of(call(model, x), target).sum()
        found = [(made, out) for made, out in outputs if out.requires_grad]
        tensors = [out for _, out in found]
        gradients = torch.autograd.grad(score, tensors, allow_unused=True) if tensors else ()
    for (made, out), gradient in reversed(list(zip(found, gradients, strict=True))):
        if gradient is not None:
            slope = made.map_of(gradient)
            if slope.any():
                weights = slope.mean((2, 3), keepdim=True)
                values = (weights * made.map_of(out)).sum(1).clamp(min=0)
                return Heat(values.detach().float().cpu(), "Grad-CAM", made.name, SOURCE)
    raise RegardError(
        f"grad_cam: no gradient reaches {layer or 'a layer with places on the picture'}: a last "
        "layer of zeros lets none through; layer= names another of regard.sites(model, x)"
    )


def _picture(x: Any) -> tuple[int, int]:
    first = first_tensor(x)
    if first is None or first.dim() != 4:
        shape = "no tensor" if first is None else list(first.shape)
        raise RegardError(f"grad_cam takes pictures [B, C, H, W]; got {shape}")
    return first.shape[2], first.shape[3]


def _candidates(
    model: nn.Module, x: Any, frame: tuple[int, int], wanted: str | None
) -> dict[str, _Layer]:
    """Layers with places on the picture, by name."""
    found = sites(model, x, "**" if wanted is None else wanted)
    usable = [s for s in found if wanted is not None or s.kind not in _PASSED]
    made = {s.name: layer for s in usable if (layer := _layer(s, frame)) is not None}
    if not made:
        raise RegardError(
            f"grad_cam: {wanted or type(model).__name__} has no output with places on a picture "
            f"of {frame[0]}×{frame[1]}"
        )
    return made


def _layer(site: Site, frame: tuple[int, int]) -> _Layer | None:
    shape = site.shape
    if shape is None or len(shape) != len(site.layout):
        return None
    if site.layout in ("NLC", "LNC"):
        grid = find_grid(shape[site.layout.index("L")], frame)
        if grid is None:
            return None
        return _Layer(site.name, site.layout, grid.prefix, (grid.height, grid.width))
    if site.layout not in ("NCHW", "NHWC"):
        return None
    height, width = (shape[site.layout.index(axis)] for axis in "HW")
    return _Layer(site.name, site.layout, 0, (height, width)) if height * width >= 4 else None


@contextmanager
def _outputs(model: nn.Module, layers: dict[str, _Layer]) -> Iterator[list[tuple[_Layer, Tensor]]]:
    """What the layers give, in the order of the run."""
    seen: list[tuple[_Layer, Tensor]] = []

    def note(layer: _Layer, output: Any) -> None:
        found = first_tensor(output)
        if found is not None:
            seen.append((layer, found))

    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _m, _args, out, layer=layer: note(layer, out)
        )
        for name, layer in layers.items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
