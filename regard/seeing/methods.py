"""From a model and an input straight to a heat, by each method that a page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import RegardError
from ..maps import Keep, Map, record
from ..surgery.carrier import first_tensor
from ..surgery.observation import left_as_found
from .activation import grad_cam
from .crossing import cross_relevance, cross_rollout, crossing_of
from .grids import grid_of
from .head_summaries import head_mean
from .heat import Heat, over_picture, over_tokens
from .propagation import SOURCE as CHEFER
from .propagation import relevance
from .rolling import SOURCE as ABNAR
from .rolling import rollout
from .stacks import stack_of
from .targets import Target, call, differentiable, scores_of

_WHOLE = Keep(kinds=("weights",), longest=None)

Method = Callable[[nn.Module, Any, Target], Heat]


def last_attention(model: nn.Module, x: Any, target: Target = None) -> Heat:
    """The last layer's weights, heads averaged; of no class in particular."""
    maps = _maps(model, x)
    crossing = crossing_of(maps)
    if crossing is not None:
        between = crossing.decoder[-1][1]
        flow = head_mean(between)
        return _crossed(flow, x, target, "attention of the last layer", between.site, "")
    layer = stack_of(maps, "the last attention")[-1]
    return _placed(head_mean(layer), x, "attention of the last layer", layer.site, "")


def rolled_out(model: nn.Module, x: Any, target: Target = None) -> Heat:
    """Attention rollout over all layers; of no class in particular."""
    maps = _maps(model, x)
    if crossing_of(maps) is not None:
        flow = cross_rollout(maps)
        return _crossed(flow, x, target, "attention rollout", "encoder and decoder", ABNAR)
    flow = rollout(maps)
    return _placed(flow, x, "attention rollout", "all layers", ABNAR)


def relevant(model: nn.Module, x: Any, target: Target = None) -> Heat:
    """Gradient × attention for the target, over all layers."""
    with differentiable(model) as parameters, record(model, _WHOLE, gradients=True) as maps:
        score = scores_of(call(model, x), target).sum()
        if not parameters:
            raise RegardError("gradient × attention: the model has no parameters to begin at")
        # Not backward(): nobody's gradients are to be touched; the weights' hooks run all the same.
        torch.autograd.grad(score, parameters, allow_unused=True)
    if crossing_of(maps) is not None:
        flow = cross_relevance(maps)
        return _crossed(flow, x, target, "gradient × attention", "encoder and decoder", CHEFER)
    return _placed(relevance(maps), x, "gradient × attention", "all layers", CHEFER)


PICTURES: Mapping[str, Method] = {
    "Grad-CAM": grad_cam,
    "gradient × attention": relevant,
    "attention rollout": rolled_out,
    "attention of the last layer": last_attention,
}
TEXTS: Mapping[str, Method] = {k: v for k, v in PICTURES.items() if v is not grad_cam}


def applicable(
    methods: Mapping[str, Method], model: nn.Module, x: Any, target: Target
) -> tuple[dict[str, Heat], dict[str, str]]:
    """What each method gives, and why others give nothing."""
    heats, refused = {}, {}
    for name, method in methods.items():
        try:
            heats[name] = method(model, x, target)
        except RegardError as error:
            refused[name] = str(error).splitlines()[0]
    return heats, refused


def _maps(model: nn.Module, x: Any) -> list[Map]:
    with left_as_found(model), torch.no_grad(), record(model, _WHOLE) as maps:
        call(model, x)
    return maps


def _crossed(  # noqa: PLR0917
    flow: Tensor, x: Any, target: Target, method: str, where: str, source: str
) -> Heat:
    """Of an encoder-decoder, ``[B, T, S]``: the last row, or the mean over all that is written.

    What follows the last token is not written.
    """
    all_of_it = callable(target) and flow.shape[1] > 1
    row = flow[:, :-1].mean(1) if all_of_it else flow[:, -1]
    first = first_tensor(x)
    if first is not None and first.dim() == 4:
        grid = grid_of(row.shape[1], (first.shape[2], first.shape[3]))
        row = row[:, grid.prefix :].unflatten(1, (grid.height, grid.width))
    return Heat(row.float(), method, where, source)


def _placed(flow: Tensor, x: Any, method: str, where: str, source: str) -> Heat:
    """Over the picture, where the input is one, else over the tokens."""
    first = first_tensor(x)
    if first is not None and len(flow) != len(first):
        raise RegardError(
            f"{method}: {len(flow)} maps for {len(first)} samples are of windows, each of which is "
            "a part of a picture only; grad_cam works"
        )
    if first is not None and first.dim() == 4:
        values = over_picture(flow, (first.shape[2], first.shape[3]))
    else:
        values = over_tokens(flow)
        if not values.isfinite().any():
            raise RegardError(f"{method} compares tokens that are read; a single one has no other")
    return Heat(values, method, where, source)
