"""A whole gating in one kernel, where no gradients are wanted and the excitations are known ones.

With a kernel a step, the map comes from memory each time, and between kernels Python runs. Here a
task gates a few samples from their squeeze to their product, while they lie in the cache.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules import module as everywhere

from ..excitation import Bottleneck, Neighbours, ScaledSigmoid, Window
from ..steps import Step
from .kernel import Kernel
from .kernels.fusing import gate_samples
from .kernels.multiplying import multiply
from .kernels.reducing import across, down
from .layout import Blocks
from .modulation import destination

Word = Tensor | int | None
FEW = 1 << 18
"""Elements of a sample up to which four at a time share each weight that is read."""
WIDEST = 1024
"""Columns of a sample that are reduced at once."""
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
ROWS = {False: "space", True: "channels"}
"""What is squeezed for the gate over rows, by whether the channels are last."""
LAYERS: dict[int, tuple[type[nn.Conv1d | nn.Conv2d], type[BatchNorm]]] = {
    3: (nn.Conv1d, nn.BatchNorm1d),
    4: (nn.Conv2d, nn.BatchNorm2d),
}
"""By the number of a map's axes."""


def fused(b: Blocks, steps: tuple[Step, ...], out: Tensor) -> bool:
    """Gate a map into ``out``, which may be the map itself.

    False, and nothing done, where a step is not known or a hook watches its layers, and where there
    are fewer samples than threads.
    """
    threads = torch.get_num_threads()
    if b.outer < threads or _watched_everywhere() or torch.is_autocast_enabled("cpu"):
        return False
    layers: dict[str, tuple[Word, ...]] = {"space": (None,) * 9, "channels": (None,) * 8}
    kernels: dict[str, tuple[Kernel, int] | None] = {"space": None, "channels": None}
    for step in steps:
        found = _over_channels(step, b.x) if step.over == "channels" else _over_space(step, b.x)
        if found is None or (step.over == "space" and kernels["channels"]):
            return False
        gated, layers[step.over] = kernels["space"] is not None, found
        kernels[step.over] = _squeeze(b, step, gated)
    most = min(4 if b.rows * b.inner <= FEW else 1, -(-b.outer // threads))
    sizes = (b.rows, b.inner, int(b.last), b.outer, most)
    by_row, by_inner = (kernels[over] is not None for over in (ROWS[b.last], ROWS[not b.last]))
    product = multiply[by_row, by_inner, destination(b, out)]
    addresses = _addresses(kernels["space"], kernels["channels"], product)
    words = (*addresses, *layers["space"], *layers["channels"])
    gate_samples(-(-b.outer // most), 4 * b.size, b.x, out, *sizes, *words)
    return True


def _squeeze(b: Blocks, step: Step, gated: bool) -> tuple[Kernel, int]:
    """The kernel that reduces for a step, and the columns of its tasks; 0 where they are rows."""
    which = (gated, "max" in step.stats, False)
    inner = (step.over == "space") != b.last
    return (across[which], 0) if inner else (down[which], min(WIDEST, b.inner))


def _addresses(
    space: tuple[Kernel, int] | None, channels: tuple[Kernel, int] | None, product: Kernel
) -> tuple[int, ...]:
    """Of the kernels that squeeze and that multiply, and the columns of the first two."""
    found = [(0, 0) if k is None else (k[0].address, k[1]) for k in (space, channels)]
    return (*(k[0] for k in found), product.address, *(k[1] for k in found))


def _over_space(step: Step, x: Tensor) -> tuple[Word, ...] | None:
    """Words of the layers that make a gate over channels; None where they are not known."""
    excite, kinds, channels = step.excite, len(step.stats), x.shape[1]
    if step.stats[0] != "mean" or not isinstance(excite, Bottleneck | Neighbours):
        return None
    top = _top(excite.sigmoid)
    if isinstance(excite, Neighbours):
        taps = _taps(excite.conv, nn.Conv1d, 1, ("zeros", "circular"))
        if taps is None or top is None or kinds > 1 or taps.numel() > 2 * channels + 1:
            return None
        ring = excite.conv.padding_mode == "circular"
        return (taps, None, None, None, 0, taps.numel(), ring, kinds, top)
    reduce, expand = _dense(excite.reduce, channels), _dense(excite.expand, None)
    if reduce is None or expand is None or top is None:
        return None
    units = len(reduce[0])
    if tuple(expand[0].shape) != (channels, units):
        return None
    return (*reduce, *expand, units, 0, 0, kinds, top)


def _over_channels(step: Step, x: Tensor) -> tuple[Word, ...] | None:
    """Words of the layers that make a gate over space; None where they are not known."""
    excite = step.excite
    if x.dim() not in LAYERS or set(step.stats) != {"mean", "max"} or len(step.stats) > 2:
        return None
    if not isinstance(excite, Window):
        return None
    conv, norm = LAYERS[x.dim()]
    taps, top = _taps(excite.conv, conv, 2), _top(excite.sigmoid)
    affine = _affine(excite.norm, norm)
    if taps is None or affine is None or top is None:
        return None
    high = taps.shape[2] if x.dim() == 4 else 1
    size = (high, taps.shape[-1], x.shape[-1])
    return (taps, *size, step.stats.index("mean"), *affine, top)


def _plain(layer: nn.Module) -> bool:
    """Whether a layer is unchanged and nobody watches its calls."""
    return not (layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer))


def _numbers(*tensors: Tensor | None) -> bool:
    """Whether all are float32 on the CPU, and of PyTorch's own types."""
    kinds = (Tensor, nn.Parameter)
    given = [t for t in tensors if t is not None]
    return all(type(t) in kinds and t.dtype is torch.float32 and t.is_cpu for t in given)


def _dense(layer: nn.Module, inputs: int | None) -> tuple[Tensor, Tensor | None] | None:
    """Weights and biases of a dense layer."""
    if type(layer) is not nn.Linear or not _plain(layer):
        return None
    fits = inputs is None or layer.weight.shape[1] == inputs
    if not fits or not _numbers(layer.weight, layer.bias):
        return None
    return layer.weight.contiguous(), None if layer.bias is None else layer.bias.contiguous()


def _taps(
    layer: nn.Module,
    kind: type[nn.Conv1d | nn.Conv2d],
    inputs: int,
    modes: tuple[str, ...] = ("zeros",),
) -> Tensor | None:
    """The weights of a convolution to one channel that keeps the size of its maps."""
    if type(layer) is not kind or not _plain(layer) or layer.bias is not None:
        return None
    sizes = layer.kernel_size
    known = layer.weight.shape[:2] == (1, inputs) and all(k % 2 for k in sizes)
    steps = {*layer.stride, *layer.dilation} == {1}
    kept = layer.padding == tuple(k // 2 for k in sizes) and layer.padding_mode in modes
    taken = known and steps and kept and _numbers(layer.weight)
    return layer.weight.contiguous() if taken else None  # channels last in a network that is


def _affine(norm: nn.Module, kind: type[BatchNorm]) -> tuple[int, int] | None:
    """Scale and shift of a normalisation of one channel by its running statistics, as words."""
    if not _plain(norm):
        return None
    if type(norm) is nn.Identity:
        return _bits(1.0), _bits(0.0)
    if type(norm) is not kind or norm.training or norm.running_var is None:
        return None
    scale = float(norm.weight) if norm.affine else 1.0
    shift = float(norm.bias) if norm.affine else 0.0
    scale /= math.sqrt(float(norm.running_var) + norm.eps)
    mean = 0.0 if norm.running_mean is None else float(norm.running_mean)
    return _bits(scale), _bits(shift - scale * mean)


def _top(sigmoid: Callable[..., Tensor]) -> int | None:
    """The top of a gate, as a word."""
    if not isinstance(sigmoid, ScaledSigmoid) or type(sigmoid).forward is not ScaledSigmoid.forward:
        return None
    return _bits(sigmoid.top) if _plain(sigmoid) else None


def _watched_everywhere() -> bool:
    """Whether somebody watches the calls of all modules."""
    return bool(everywhere._global_forward_hooks or everywhere._global_forward_pre_hooks)


def _bits(number: float) -> int:
    """The bits of a float32 as a whole number."""
    return int(struct.unpack("<i", struct.pack("<f", number))[0])
