"""The numbers of one forward pass on a picture, as plain data: what enters, and what PyTorch gives.

Maps and matrices are kept as float32 in base64; the page computes everything else from them. Of
very many maps the first are kept, and of the others what PyTorch makes of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import RegardError
from ...mechanisms.cbam import CBAM
from ...mechanisms.eca import CircularEfficientChannelAttention, EfficientChannelAttention
from ...mechanisms.se import SqueezeExcitation
from ...mechanisms.spatial_transformer import AttentionTransformer, SpatialTransformer
from ...ops import using, warp
from ..packing import pack, rounded
from .network import GATES
from .watching import Kinds, Pass

MAPS = 1 << 17  # numbers of the maps on a page, which are two thirds of a megabyte
SHOWN = 32  # channels that a page shows
COMPARED = 1 << 14  # numbers of a sampled picture that the page compares itself with
ROOM = 2_400_000  # bytes of all numbers on a page
# Beside the network's own θ the page compares itself under a turn that enlarges, and under one
# that leaves the picture.
OTHERS = (((0.6, -0.35, 0.1), (0.35, 0.6, -0.05)), ((1.3, 0.5, 0.4), (-0.2, 1.6, -0.3)))


def numbers_of(passes: Mapping[str, Pass]) -> dict[str, Any]:
    """All that the page is computed from.

    Args:
        passes: what was seen of ``se``, ``eca``, ``cbam`` and ``spatial_transformer``; some may be
            missing. The gates among them weigh the same maps.

    Raises:
        RegardError: for more numbers than a page has room for.
    """
    found: dict[str, Any] = {}
    gates = [seen for name, seen in passes.items() if name in GATES]
    with torch.inference_mode(), using("torch"):
        if gates:
            found |= _maps(gates[0].given)
        for name, (key, numbers) in _MAKERS.items():
            if name in passes:
                found[key] = numbers(passes[name])
    _check_room(found)
    return found


def _check_room(found: dict[str, Any]) -> None:
    if (size := len(json.dumps(found))) > ROOM:
        raise RegardError(
            f"the numbers of this network take {size / 1e6:.1f} MB, and a page has room for "
            f"{ROOM / 1e6} MB; one for smaller pictures, or with fewer channels, would work"
        )


def _maps(given: Tensor) -> dict[str, Any]:
    """As many maps as there is room for, and of the others their means and largest numbers."""
    carried = _carried(given)
    rest = given[carried:]
    return {
        "channels": len(given),
        "shown": min(SHOWN, carried),
        "maps": pack(given[:carried]),
        "rest": {"means": rounded(rest.mean((1, 2))), "most": rounded(rest.amax((1, 2)))},
    }


def _carried(maps: Tensor) -> int:
    return min(len(maps), max(1, MAPS // maps[0].numel()))


def _se(seen: Pass) -> dict[str, Any]:
    module: Any = seen.module
    return {**_bottleneck(module), "gate": rounded(seen.gates[0].flatten())}


def _eca(seen: Pass) -> dict[str, Any]:
    module: Any = seen.module
    return {
        "taps": rounded(module.conv.weight.flatten()),
        "top": module.sigmoid.top,
        "circular": module.conv.padding_mode == "circular",
        "gate": rounded(seen.gates[0].flatten()),
    }


def _cbam(seen: Pass) -> dict[str, Any]:
    module: Any = seen.module
    channel, spatial = seen.gates
    factor, shift = _normalisation(module.spatial.norm)
    return {
        **_bottleneck(module.channel),
        "gate": rounded(channel.flatten()),
        "spatial": {
            "kernels": rounded(module.spatial.conv.weight[0]),
            "order": list(module.spatial.step.stats),
            "factor": factor,
            "shift": shift,
            "top": module.spatial.sigmoid.top,
            "gate": pack(spatial),
            "statistics": _statistics(seen.given * channel),
        },
    }


def _statistics(gated: Tensor) -> dict[str, Any] | None:
    """Largest and mean over the channels, where the page cannot have all of them."""
    if _carried(gated) == len(gated):
        return None
    return {"max": pack(gated.amax(0)[None]), "mean": pack(gated.mean(0)[None])}


def _warp(seen: Pass) -> dict[str, Any]:
    """The sampled picture; a map with other channels than a picture becomes their mean."""
    given = seen.given if len(seen.given) in (1, 3) else seen.given.mean(0, keepdim=True)
    size = seen.out.shape[-2], seen.out.shape[-1]
    own = seen.thetas[0]
    thetas = [own, *(torch.tensor(theta) for theta in OTHERS)]
    found = [warp(given[None], theta[None].to(given.dtype), size)[0] for theta in thetas]
    step = math.ceil(math.sqrt(found[0].numel() / COMPARED))
    return {
        "picture": pack(given),
        "levels": [[min(0.0, given.min().item()), given.max().item()]] * len(given),
        "size": [*size],
        "theta": rounded(own),
        "step": step,
        "checks": [
            {"theta": rounded(theta), "out": pack(out[:, ::step, ::step])}
            for theta, out in zip(thetas, found, strict=True)
        ],
    }


def _bottleneck(module: Any) -> dict[str, Any]:
    """The two layers of a gate on channels."""
    return {
        "reduce": _layer(module.reduce),
        "expand": _layer(module.expand),
        "top": module.sigmoid.top,
    }


def _layer(layer: nn.Linear) -> dict[str, Any]:
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return {"weight": pack(layer.weight), "bias": rounded(bias)}


def _normalisation(norm: Any) -> tuple[float, float]:
    """A BatchNorm in eval mode is one factor and one shift."""
    if isinstance(norm, nn.Identity):
        return 1.0, 0.0
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * factor
    return rounded(factor)[0], rounded(shift)[0]


_MAKERS = {
    "se": ("se", _se), "eca": ("eca", _eca), "cbam": ("cbam", _cbam),
    "spatial_transformer": ("warp", _warp),
}  # fmt: skip
KINDS: Kinds = {
    "se": (SqueezeExcitation,),
    "eca": (EfficientChannelAttention, CircularEfficientChannelAttention),
    "cbam": (CBAM,),
    "spatial_transformer": (SpatialTransformer, AttentionTransformer),
}
